"""A superuser changes the catalog without SQL: the server goes by it, and every definition is as it was."""

import re
from contextlib import closing

import psycopg
import pytest

from kms_schema import validate
from kms_schema.validator import ValidationError
from support.engines import Database
from support.reports import posture
from support.rows.smallest import insert, key_master

SWALLOWS = """
    CREATE FUNCTION swallows() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER a BEFORE UPDATE ON key_masters FOR EACH ROW EXECUTE FUNCTION swallows();
    UPDATE pg_trigger SET tgisinternal = true WHERE tgname = 'a'"""
CHANGES = {
    "trigger key_masters.a": SWALLOWS,
    "trigger key_versions.guard_key_version_bounds": (
        "UPDATE pg_trigger SET tgdeferrable = true, tginitdeferred = true WHERE tgname = 'guard_key_version_bounds'"
    ),
    "table key_rotations": "UPDATE pg_class SET reltoastrelid = 0 WHERE relname = 'key_rotations'",
    "table key_masters": (
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indrelid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'key_masters'::regclass)"
    ),
    "table key_audit_logs": (
        "UPDATE pg_class SET reltoastrelid ="
        " (SELECT reltoastrelid FROM pg_class WHERE oid = 'hsm_configurations'::regclass)"
        " WHERE oid = 'key_audit_logs'::regclass"
    ),
    "table key_versions": (
        "UPDATE pg_class SET relpersistence = 'u'"
        " WHERE oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'key_versions'::regclass)"
    ),
    "table rotation_policies": "UPDATE pg_class SET relispopulated = false WHERE oid = 'rotation_policies'::regclass",
    "index uq_key_audit_logs_sequence": (
        "UPDATE pg_class SET relpersistence = 'u' WHERE oid = 'uq_key_audit_logs_sequence'::regclass"
    ),
    "column key_masters.revoked_at": (
        "UPDATE pg_attribute SET attgenerated = 's' WHERE (attrelid, attname) = ('key_masters'::regclass, 'revoked_at')"
    ),
    "sequence key_audit_logs_sequence_seq": (
        "CREATE TABLE h (last_value bigint, log_cnt bigint, is_called boolean); INSERT INTO h VALUES (2, 0, true);"
        "CREATE VIEW v AS SELECT * FROM h; UPDATE pg_rewrite SET ev_class = 'key_audit_logs_sequence_seq'::regclass"
        " WHERE ev_class = 'v'::regclass;"
        "UPDATE pg_class SET relhasrules = true WHERE oid = 'key_audit_logs_sequence_seq'::regclass"
    ),
    "constraint key_audit_logs.fk_key_audit_logs_key_id_key_masters": (
        "UPDATE pg_constraint SET conpfeqop = ARRAY['<>(uuid,uuid)'::regoperator::oid]"
        " WHERE conname = 'fk_key_audit_logs_key_id_key_masters'"
    ),
    "constraint key_versions.fk_key_versions_key_id_key_masters": (
        "DELETE FROM pg_trigger WHERE tgfoid = '\"RI_FKey_check_ins\"'::regproc AND tgconstraint ="
        " (SELECT oid FROM pg_constraint WHERE conname = 'fk_key_versions_key_id_key_masters')"
    ),
    "constraint rotation_policies.pk_rotation_policies": (
        "UPDATE pg_constraint SET conindid = 'pk_key_masters'::regclass WHERE conname = 'pk_rotation_policies'"
    ),
    "table key_audit_seals": "UPDATE pg_class SET relhastriggers = false WHERE relname = 'key_audit_seals'",
    "table key_audit_leaves": "UPDATE pg_class SET relhasindex = false WHERE relname = 'key_audit_leaves'",
    "table hsm_configurations": "UPDATE pg_class SET relchecks = 0 WHERE relname = 'hsm_configurations'",
    "view rotations_due": "UPDATE pg_class SET relhasrules = false WHERE relname = 'rotations_due'",
    "column key_masters.status": (
        "UPDATE pg_attribute SET atthasdef = false WHERE (attrelid, attname) = ('key_masters'::regclass, 'status')"
    ),
    "column key_masters.key_id": (
        "UPDATE pg_attribute SET attalign = 'c' WHERE (attrelid, attname) = ('key_masters'::regclass, 'key_id')"
    ),
    "index pk_key_masters": ("UPDATE pg_index SET indisexclusion = true WHERE indexrelid = 'pk_key_masters'::regclass"),
}
RULE_OF_A_VIEW = """
    CREATE RULE z AS ON DELETE TO key_rotations DO INSTEAD NOTHING;
    UPDATE pg_rewrite SET rulename = '_RETURN', ev_type = '1' WHERE rulename = 'z'"""


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
def test_what_no_sql_writes_is_found(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        insert(connection, "key_masters", **key_master())
        connection.execute(SWALLOWS.encode())
        assert connection.execute("UPDATE key_masters SET status_reason = 'x'").rowcount == 0
        connection.execute("SET allow_system_table_mods = on")
        for statement in list(CHANGES.values())[1:]:
            connection.execute(statement.encode())
        connection.execute(RULE_OF_A_VIEW)
        report = validate(connection)
        found = [about for code, about in posture(report) if code == "KMS453"]
    assert "rule key_rotations._RETURN" in [each.object for each in report.findings]
    assert sorted(found) == sorted(CHANGES)


COLUMNS = {
    "function kms_restoring()": "UPDATE pg_proc SET pronargs = 1 WHERE proname = 'kms_restoring'",
    "function audit_key_change()": "UPDATE pg_proc SET pronargdefaults = 1 WHERE proname = 'audit_key_change'",
    "function touch_updated_at()": (
        "UPDATE pg_proc SET provariadic = 'integer'::regtype WHERE proname = 'touch_updated_at'"
    ),
    "function refresh_key_views()": (
        "UPDATE pg_proc SET prorettype = 'integer'::regtype WHERE proname = 'refresh_key_views'"
    ),
    "function notify_key_change()": (
        "UPDATE pg_proc SET protrftypes = ARRAY['integer'::regtype::oid] WHERE proname = 'notify_key_change'"
    ),
    "trigger key_masters.audit_key_master_update": (
        "UPDATE pg_trigger SET tgparentid = (SELECT min(oid) FROM pg_trigger) WHERE tgname = 'audit_key_master_update'"
    ),
    "trigger key_masters.touch_key_master_updated_at": (
        "UPDATE pg_trigger SET tgconstrrelid = 'key_versions'::regclass WHERE tgname = 'touch_key_master_updated_at'"
    ),
    "constraint key_rotations.fk_key_rotations_key_id_key_masters": (
        "UPDATE pg_constraint SET conindid = 0 WHERE conname = 'fk_key_rotations_key_id_key_masters'"
    ),
    "constraint key_audit_logs.uq_key_audit_logs_sequence": (
        "UPDATE pg_constraint SET conparentid = (SELECT min(oid) FROM pg_constraint)"
        " WHERE conname = 'uq_key_audit_logs_sequence'"
    ),
    "index pk_key_versions": (
        "UPDATE pg_attribute SET attlen = 8 WHERE attrelid = 'pk_key_versions'::regclass AND attnum = 1"
    ),
    "index pk_key_rotations": (
        "UPDATE pg_attribute SET atttypid = 'interval'::regtype, attalign = 'd'"
        " WHERE attrelid = 'pk_key_rotations'::regclass AND attnum = 1"
    ),
    "table rotation_policies": (
        "UPDATE pg_class SET relowner = 'pg_monitor'::regrole WHERE oid = 'pk_rotation_policies'::regclass"
    ),
    "trigger key_audit_logs.{internal}": (
        "UPDATE pg_trigger SET tgfoid = 0 WHERE tgisinternal AND tgrelid = 'key_audit_logs'::regclass"
        " AND tgfoid = '\"RI_FKey_check_ins\"'::regproc"
    ),
    "index idx_key_masters_newest": (
        "UPDATE pg_index SET indnkeyatts = 5 WHERE indexrelid = 'idx_key_masters_newest'::regclass"
    ),
    "view key_wrapping_dependents": ("UPDATE pg_class SET reltype = 0 WHERE oid = 'key_wrapping_dependents'::regclass"),
    "column rotations_due.key_id": (
        "UPDATE pg_attribute SET attcollation = 0 WHERE (attrelid, attname) = ('rotations_due'::regclass, 'key_id')"
    ),
    "table key_audit_seals": (
        "UPDATE pg_class SET relhasindex = false WHERE oid ="
        " (SELECT reltoastrelid FROM pg_class WHERE oid = 'key_audit_seals'::regclass)"
    ),
    "table key_masters": (
        "UPDATE pg_attribute SET attlen = 4 WHERE attnum = 3 AND attrelid ="
        " (SELECT reltoastrelid FROM pg_class WHERE oid = 'key_masters'::regclass)"
    ),
    "index {of TOAST}": (
        "UPDATE pg_attribute SET attalign = 'd' WHERE attnum = 1 AND attrelid ="
        " (SELECT indexrelid FROM pg_index WHERE indrelid ="
        " (SELECT reltoastrelid FROM pg_class WHERE oid = 'key_audit_logs'::regclass))"
    ),
    "index uq_key_masters_key_id": (
        "UPDATE pg_class SET reltablespace = 2 WHERE oid = 'uq_key_masters_key_id'::regclass"
    ),
}
BEFORE_18 = {
    "column key_audit_logs.security_level": (
        "UPDATE pg_attribute SET attcacheoff = 8"
        " WHERE (attrelid, attname) = ('key_audit_logs'::regclass, 'security_level')"
    ),
    "index idx_key_audit_logs_timestamp": (
        "UPDATE pg_attribute SET attcacheoff = 8 WHERE attrelid = 'idx_key_audit_logs_timestamp'::regclass"
    ),
    "table hsm_configurations": (
        "UPDATE pg_attribute SET attcacheoff = 8 WHERE attnum = 3 AND attrelid ="
        " (SELECT reltoastrelid FROM pg_class WHERE oid = 'hsm_configurations'::regclass)"
    ),
}
SINCE_18 = {
    "constraint key_versions.fk_key_versions_key_id_key_masters": (
        "UPDATE pg_constraint SET conperiod = true WHERE conname = 'fk_key_versions_key_id_key_masters'"
    )
}


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
def test_columns_that_no_definition_has_are_compared(database: Database) -> None:
    """docs/validator.md lists the others."""
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        changes = COLUMNS | (SINCE_18 if connection.info.server_version >= 180000 else BEFORE_18)
        connection.execute("SET allow_system_table_mods = on")
        for statement in changes.values():
            assert connection.execute(statement.encode()).rowcount == 1, statement
        found = [about for code, about in posture(validate(connection)) if code == "KMS453"]
    found = [re.sub("RI_ConstraintTrigger_c_[0-9]+", "{internal}", about) for about in found]
    found = [re.sub("pg_toast_[0-9]+_index", "{of TOAST}", about) for about in found]
    assert sorted(found) == sorted(changes)


@pytest.mark.only_on("postgresql")
def test_a_renamed_number_of_the_log_is_a_finding(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        connection.execute("ALTER TABLE key_audit_logs RENAME COLUMN sequence TO renamed")
        connection.execute("ALTER SEQUENCE key_audit_logs_sequence_seq CACHE 7")
        try:
            found = [each.object for each in validate(connection).findings]
        except ValidationError as error:
            pytest.fail(str(error))
        assert {"column key_audit_logs.sequence", "sequence key_audit_logs_sequence_seq"} <= set(found)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("name", ["table key_audit_logs", "sequence key_audit_logs_sequence_seq"])
def test_a_log_that_cannot_be_read_is_a_finding(database: Database, name: str) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        change = f"UPDATE pg_class SET relispopulated = false WHERE oid = '{name.partition(' ')[2]}'::regclass"  # noqa: S608
        connection.execute(change.encode())
        try:
            found = posture(validate(connection))
        except psycopg.Error as error:
            pytest.fail(str(error))
        assert ("KMS453", name) in found


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
def test_a_foreign_key_of_a_host_to_partitions_is_no_change_of_the_catalog(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        connection.execute(
            "CREATE TABLE regions (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
            "CREATE TABLE region PARTITION OF regions DEFAULT;"
            "ALTER TABLE key_masters ADD COLUMN region integer REFERENCES regions;"
            "CREATE TABLE uses (at integer, key_id uuid REFERENCES key_masters) PARTITION BY RANGE (at);"
            "CREATE TABLE use PARTITION OF uses DEFAULT"
        )
        assert not [each for each in posture(validate(connection)) if each[0] == "KMS453"]
