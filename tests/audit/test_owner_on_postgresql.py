"""Attacks by an owner or superuser of PostgreSQL: carried out, and found by the verification or the validator.

Changes of rows with the triggers disabled are in `test_tampering.py`; the files of the server are in
`test_files_of_the_server.py`.
"""

# ruff: noqa: S608  (the names in these statements are the module's own)

from dataclasses import dataclass

import psycopg
import pytest

from kms_schema import validate
from kms_schema.audit import append, open_trail
from kms_schema.audit.storage.errors import TrailError
from support.engines import Database
from support.login_roles import APPLICATION, login
from support.statements import execute, refused
from support.violations.refused_rows import refuses
from tests.audit.owners import owned
from tests.audit.trails import seal_all, verified, write

pytestmark = pytest.mark.only_on("postgresql")

CALM = "UPDATE key_audit_logs SET user_id = 'nobody' WHERE sequence = {sequence}"
CHANGED = "(sequence {sequence}) is not what was sealed"
GONE = "sequence {sequence} was sealed and is gone"
NO_UPDATE, NO_DELETE = "prevent_key_audit_log_update", "prevent_key_audit_log_delete"


def with_the_view(statement: str) -> str:
    """Take the view away that holds the columns, and make it again as it was."""
    return (
        "DO $$ DECLARE text_of_view text := pg_get_viewdef('key_audit_trail'); BEGIN DROP VIEW key_audit_trail;"
        f" {statement}; EXECUTE 'CREATE VIEW key_audit_trail AS ' || text_of_view; END $$"
    )


@dataclass(frozen=True)
class Attack:
    """What an owner does, what verification says of it, and what the validator finds while it stands."""

    done: str
    found: str
    codes: frozenset[str] = frozenset()


def attack(done: str, found: str, *codes: str) -> Attack:
    return Attack(done, found, frozenset(codes))


ATTACKS = {
    "DISABLE TRIGGER": attack(f"ALTER TABLE key_audit_logs DISABLE TRIGGER {NO_UPDATE}; {CALM}", CHANGED, "KMS145"),
    "DROP TRIGGER": attack(f"DROP TRIGGER {NO_UPDATE} ON key_audit_logs; {CALM}", CHANGED, "KMS141"),
    "a trigger that a replica does not fire": attack(
        f"ALTER TABLE key_audit_logs ENABLE TRIGGER {NO_UPDATE}; SET session_replication_role = replica; {CALM}",
        CHANGED, "KMS145",
    ),
    "a guard switched off and on again": attack(
        f"ALTER TABLE key_audit_logs DISABLE TRIGGER {NO_UPDATE}; {CALM};"
        f" ALTER TABLE key_audit_logs ENABLE ALWAYS TRIGGER {NO_UPDATE}",
        CHANGED,
    ),
    "a swapped function body": attack(
        "CREATE OR REPLACE FUNCTION prevent_key_audit_log_change() RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'; {CALM}",
        CHANGED, "KMS153",
    ),
    "ALTER TYPE … USING": attack(
        with_the_view("ALTER TABLE key_audit_logs ALTER user_id TYPE varchar(100) USING ''nobody''").replace("''", "'"),
        CHANGED,
    ),
    "DROP and ADD COLUMN": attack(
        "ALTER TABLE key_audit_logs DROP COLUMN user_id CASCADE; ALTER TABLE key_audit_logs ADD user_id varchar(100)",
        CHANGED, "KMS103", "KMS161",
    ),
    "SET UNLOGGED": attack("ALTER TABLE key_audit_logs SET UNLOGGED", "sound", "KMS304"),
    "a table that lost its tail": attack(
        "CREATE TABLE kept AS TABLE key_audit_logs; DROP TABLE key_audit_logs CASCADE;"
        " ALTER TABLE kept RENAME TO key_audit_logs; DELETE FROM key_audit_logs WHERE sequence = {sequence}",
        GONE, "KMS113", "KMS121", "KMS131", "KMS141", "KMS161", "KMS181",
    ),
    "an inheritance child": attack(
        "CREATE TABLE child () INHERITS (key_audit_logs);"
        " INSERT INTO child SELECT * FROM ONLY key_audit_logs WHERE sequence = {sequence};"
        f" ALTER TABLE key_audit_logs DISABLE TRIGGER {NO_DELETE};"
        " DELETE FROM ONLY key_audit_logs WHERE sequence = {sequence};"
        f" ALTER TABLE key_audit_logs ENABLE ALWAYS TRIGGER {NO_DELETE}",
        GONE, "KMS212",
    ),
    "an inheritance child with entries of its own": attack(
        "CREATE TABLE child () INHERITS (key_audit_logs); INSERT INTO child SELECT * FROM ONLY key_audit_logs",
        "key_audit_logs has tables that inherit from it: readers find their rows, which are no evidence", "KMS212",
    ),
    "a trigger that discards entries": attack(
        "CREATE FUNCTION discard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER aa BEFORE INSERT ON key_audit_logs FOR EACH ROW EXECUTE FUNCTION discard()",
        "sound", "KMS142",
    ),
    "a rule that discards entries": attack(
        "CREATE RULE mute AS ON INSERT TO key_audit_logs DO INSTEAD NOTHING", "sound", "KMS192",
    ),
    "a trigger switched off in the catalog": attack(
        f"UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = '{NO_UPDATE}';"
        f" UPDATE pg_class SET relname = relname WHERE relname = 'key_audit_logs'; {CALM}",  # so that it is read again
        CHANGED, "KMS145",
    ),
    "a body changed in the catalog": attack(
        "UPDATE pg_proc SET prosrc = 'BEGIN RETURN NEW; END' WHERE proname = 'prevent_key_audit_log_change';"
        f" {CALM}", CHANGED, "KMS153",
    ),
    "a forged restore": attack(
        "SET kms.restore = on; INSERT INTO key_audit_logs (id, sequence, event_type, event_category, event_description,"
        " timestamp, recorded_by) VALUES (gen_random_uuid(), -5, 'X', 'SECURITY', 'x', '2001-01-01', 'alice')",
        "key_audit_logs has rows with invalid numbers, which no read finds: 1",
    ),
}  # fmt: skip


def test_nothing_is_found_before_an_attack(database: Database) -> None:
    with owned(database) as trail:
        assert (trail.verified(), trail.codes()) == ("sound", set())


@pytest.mark.parametrize("name", ATTACKS)
def test_what_an_owner_does_is_found(database: Database, name: str) -> None:
    with owned(database) as trail:
        execute(trail.connection, ATTACKS[name].done.replace("{sequence}", str(trail.sequence)))
        execute(trail.connection, "RESET ALL")
        assert ATTACKS[name].found.format(sequence=trail.sequence) in trail.verified()
        assert ATTACKS[name].codes == trail.codes() & (ATTACKS[name].codes or trail.codes())


def test_triggers_that_the_catalog_denies_are_found_by_a_probe(database: Database) -> None:
    """They are all there, and switched on: the catalog says that the server asks none, and an attempt shows it."""
    with owned(database) as trail:
        execute(trail.connection, "UPDATE pg_class SET relhastriggers = false WHERE relname = 'key_audit_logs'")
        execute(trail.connection, CALM.format(sequence=trail.sequence))
        assert CHANGED.format(sequence=trail.sequence) in trail.verified()
        assert trail.codes() == {"KMS453"}
        found = {each.code for each in validate(trail.connection, probe=True).findings}
        assert {"KMS601", "KMS603"} <= found


def test_a_trail_that_was_dropped_is_said_to_be_gone(database: Database) -> None:
    with owned(database) as trail:
        execute(trail.connection, "DROP TABLE key_audit_logs CASCADE")
        with pytest.raises(TrailError, match=r"there is no table public\.key_audit_logs"):
            trail.verified()
        assert "KMS101" in trail.codes()


def test_a_view_is_not_taken_for_the_trail(database: Database) -> None:
    """A view could show the sealed rows to the verifier, and other rows to everybody else."""
    with owned(database) as trail:
        execute(trail.connection, "ALTER TABLE key_audit_logs RENAME TO hidden")
        execute(trail.connection, "CREATE VIEW key_audit_logs AS SELECT * FROM hidden")
        with pytest.raises(TrailError, match="key_audit_logs is not a plain table"):
            trail.verified()
        assert trail.codes()


def test_a_table_with_the_rule_of_a_view_is_not_taken_for_the_trail(database: Database) -> None:
    """A superuser can give a table the rule of a view in the catalog; every reader then sees what the rule selects."""
    with owned(database) as trail:
        of_the_view, table = "ev_class = 'shown'::regclass", "'key_audit_logs'::regclass"
        execute(trail.connection, "CREATE TABLE hidden AS SELECT * FROM key_audit_logs")
        execute(trail.connection, "CREATE VIEW shown AS SELECT * FROM hidden")
        execute(trail.connection, f"UPDATE pg_rewrite SET ev_class = {table} WHERE {of_the_view}")
        execute(trail.connection, f"UPDATE pg_class SET relhasrules = true WHERE oid = {table}")
        with pytest.raises(TrailError, match="key_audit_logs is not a plain table"):
            trail.verified()


def test_a_catalog_with_a_table_in_its_place_does_not_vouch_for_the_trail(database: Database) -> None:
    """A superuser can rename a catalog, and leave out in another table what was done to the trail."""
    with owned(database) as trail:
        for statement in (
            "SET allow_system_table_mods = on",
            "ALTER TABLE pg_catalog.pg_rewrite RENAME TO pg_rewrite0",
            "CREATE TABLE pg_catalog.pg_rewrite AS SELECT * FROM pg_catalog.pg_rewrite0 WHERE false",
        ):
            execute(trail.connection, statement)
        with pytest.raises(TrailError, match=r"pg_catalog\.pg_rewrite is not the server's own"):
            trail.verified()


@pytest.mark.parametrize("schema", ["public", "pg_catalog"])
def test_a_type_with_a_cast_of_its_own_is_not_taken_for_the_trail(database: Database, schema: str) -> None:
    """Every reader sees the label; entries are sealed and verified as text, which the cast makes of it."""
    with owned(database) as trail:
        write(trail.connection, 1, client_ip="203.0.113.5")
        seal_all(trail.connection)
        to_shown = "CASE WHEN client_ip IS NOT NULL THEN '10.0.0.9'::shown END"
        statements = (
            f"CREATE TYPE {schema}.shown AS ENUM ('10.0.0.9')",
            "CREATE FUNCTION sealed(shown) RETURNS text LANGUAGE sql STRICT AS $$ SELECT '203.0.113.5' $$",
            "CREATE CAST (shown AS text) WITH FUNCTION sealed(shown)",
            with_the_view(f"ALTER TABLE key_audit_logs ALTER client_ip TYPE shown USING {to_shown}"),
        )
        for statement in statements:
            execute(trail.connection, statement)
        query = "SELECT client_ip FROM key_audit_logs WHERE client_ip IS NOT NULL"
        assert execute(trail.connection, query).fetchall() == [("10.0.0.9",)]
        with pytest.raises(TrailError, match="key_audit_logs is not a plain table with types of the database"):
            trail.verified()
        assert trail.codes()


SWALLOWERS = {
    "a trigger": "CREATE FUNCTION discard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    " CREATE TRIGGER aa BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION discard()",
    "a rule": "CREATE RULE mute AS ON INSERT TO {table} DO INSTEAD NOTHING",
}


@pytest.mark.parametrize("table", ["key_audit_seals", "key_audit_leaves"])
@pytest.mark.parametrize("by", SWALLOWERS)
def test_a_seal_that_is_discarded_is_an_error(database: Database, table: str, by: str) -> None:
    with owned(database) as trail:
        write(trail.connection, 1)
        execute(trail.connection, SWALLOWERS[by].format(table=table))
        with pytest.raises(TrailError, match=f"discards rows written to {table}: nothing was written"):
            seal_all(trail.connection)
        assert verified(trail.connection).unsealed == 1


@pytest.mark.parametrize("by", SWALLOWERS)
def test_an_entry_that_is_discarded_is_an_error(database: Database, by: str) -> None:
    with owned(database) as trail:
        execute(trail.connection, SWALLOWERS[by].format(table="key_audit_logs"))
        with pytest.raises((TrailError, psycopg.errors.FeatureNotSupported), match=r"discards|INSERT RETURNING"):
            append(open_trail(trail.connection), event_type="X", event_category="SECURITY", event_description="x")


def test_an_owner_can_backdate_unsealed_entries(database: Database) -> None:
    """What stays open: a seal says that an entry has not changed since, not that it was true."""
    with owned(database) as trail:
        execute(
            trail.connection,
            "SET kms.restore = on; INSERT INTO key_audit_logs (id, sequence, event_type, event_category,"
            " event_description, timestamp, recorded_by) SELECT gen_random_uuid(), max(sequence) + 1, 'X', 'SECURITY',"
            " 'x', '2001-01-01', 'alice' FROM key_audit_logs; RESET kms.restore",
        )
        assert trail.verified() == "sound"
        assert verified(trail.connection).unsealed == 1
        assert "KMS519" in trail.codes("data")


def test_a_sequence_that_is_set_back_brings_no_second_entry(database: Database) -> None:
    with owned(database) as trail:
        execute(trail.connection, "SELECT setval('key_audit_logs_sequence_seq', 1, false)")
        said = "INSERT INTO key_audit_logs (event_type, event_category, event_description)"
        refuses(
            trail.connection,
            "key_audit_logs",
            f"{said} VALUES ('X', 'SECURITY', 'x')",
            rule="uq_key_audit_logs_sequence",
        )
        assert trail.verified() == "sound"


@pytest.mark.parametrize("place", ["ROLE {role}", "DATABASE {database}", "ROLE {role} IN DATABASE {database}"])
def test_a_replica_by_setting_is_held_like_any_session(database: Database, place: str) -> None:
    with owned(database) as trail, login(database, *APPLICATION, "UPDATE, DELETE ON key_audit_logs") as role:
        there = place.format(role=_user_of(role), database=database.name)
        execute(trail.connection, f"ALTER {there} SET session_replication_role = replica")
        with psycopg.connect(role.url.replace("+psycopg", ""), autocommit=True) as connection:
            assert connection.execute("SHOW session_replication_role").fetchone() == ("replica",)
            refused(connection, "UPDATE key_audit_logs SET risk_score = 0", rule=NO_UPDATE, sqlstate="23001")
            refused(connection, "DELETE FROM key_audit_logs", rule=NO_DELETE, sqlstate="23001")
        assert trail.codes() == {"KMS401", "KMS302"}
        execute(trail.connection, f"ALTER {there} RESET session_replication_role")


def _user_of(role: Database) -> str:
    return role.url.partition("://")[2].partition(":")[0]


def test_a_row_that_pg_surgery_took_out_is_found(database: Database) -> None:
    with owned(database) as trail:
        ((place,),) = execute(
            trail.connection, f"SELECT ctid::text FROM key_audit_logs WHERE sequence = {trail.sequence}"
        ).fetchall()
        if database.engine_name == "postgresql-13":  # 14 is the first that has it
            with pytest.raises(psycopg.errors.UndefinedFile):
                execute(trail.connection, "CREATE EXTENSION pg_surgery")
            return
        execute(trail.connection, "CREATE EXTENSION pg_surgery")
        execute(trail.connection, f"SELECT heap_force_kill('key_audit_logs', ARRAY['{place}'::tid])")
        assert GONE.format(sequence=trail.sequence) in trail.verified()
        assert trail.codes() == set()
        assert trail.codes("data") == {"KMS513", "KMS516"}
