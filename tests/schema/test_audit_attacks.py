"""Entries are written once: all SQL that changes, removes, forges or suppresses an entry is refused.

Attacks on SQLite only are in `test_audit_attacks_on_sqlite.py`.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa

from support.engines import Database
from support.engines.database import Connection
from support.login_roles import login
from support.rows.smallest import active_key_master, audit_entry, insert, key_master, now
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.refused_rows import Forbidden, refuses, refuses_insert, stored

pytestmark = pytest.mark.versions("oldest and newest")

TABLE = "key_audit_logs"
GUARD = "guard_key_audit_log_insert"
NO_UPDATE, NO_DELETE = "prevent_key_audit_log_update", "prevent_key_audit_log_delete"
WRITTEN_ONCE = "23001"
FIRST_WITH_MERGE = 150000


@pytest.fixture
def trail(shared: SharedDatabase) -> Connection:
    """A connection to a database with entries, two of them about a key."""
    master = insert(shared.connection, "key_masters", **active_key_master(key_id="watched"))
    for event in ("ATTACK", "NOTICED"):
        insert(shared.connection, TABLE, **audit_entry(event_type=event, key_id=master["id"], risk_score=90))
    return shared.connection


CHANGES = {
    "UPDATE": ("UPDATE key_audit_logs SET risk_score = 0", NO_UPDATE),
    "UPDATE of one column to itself": ("UPDATE key_audit_logs SET event_type = event_type", NO_UPDATE),
    "UPDATE of the sequence": ("UPDATE key_audit_logs SET sequence = sequence + 100", NO_UPDATE),
    "UPDATE to sequence 0": ("UPDATE key_audit_logs SET sequence = 0 WHERE event_type = 'NOTICED'", NO_UPDATE),
    "UPDATE of the key": ("UPDATE key_audit_logs SET key_id = NULL", NO_UPDATE),
    "DELETE of one": ("DELETE FROM key_audit_logs WHERE event_type = 'ATTACK'", NO_DELETE),
    "DELETE of the last": ("DELETE FROM key_audit_logs WHERE event_type = 'NOTICED'", NO_DELETE),
    "DELETE without WHERE": ("DELETE FROM key_audit_logs", NO_DELETE),
    "UPDATE FROM": (
        "UPDATE key_audit_logs SET risk_score = 0 FROM key_masters WHERE key_masters.id = key_audit_logs.key_id",
        NO_UPDATE,
    ),
    "UPDATE RETURNING": ("UPDATE key_audit_logs SET user_id = 'nobody' RETURNING id", NO_UPDATE),
}
"""Attacks on both engines."""


@pytest.mark.parametrize("attack", CHANGES)
def test_entries_are_not_changed_or_removed(trail: Connection, attack: str) -> None:
    statement, rule = CHANGES[attack]
    refuses(trail, TABLE, statement, rule=rule, sqlstate=WRITTEN_ONCE)


def test_a_statement_that_meets_no_entry_is_not_refused(trail: Connection) -> None:
    execute(trail, "UPDATE key_audit_logs SET risk_score = 0 WHERE event_type = 'NO SUCH'")
    execute(trail, "DELETE FROM key_audit_logs WHERE event_type = 'NO SUCH'")


@pytest.mark.parametrize(
    "action", ["DELETE FROM key_masters WHERE key_id = 'watched'", "UPDATE key_masters SET id = :id"]
)
def test_no_foreign_key_carries_a_change_to_an_entry(trail: Connection, action: str) -> None:
    other = key_master()
    rule = "fk_key_audit_logs_key_id_key_masters" if action.startswith("DELETE") else "protect_key_master_identity"
    parameters = {"id": other["id"]} if ":id" in action else {}
    refuses(trail, TABLE, action, parameters, rule=rule)


ONE = "(SELECT id FROM key_audit_logs WHERE event_type = 'ATTACK')"

CHANGES_ON_POSTGRESQL = {
    "data-modifying CTE": ("WITH gone AS (DELETE FROM key_audit_logs RETURNING *) SELECT * FROM gone", NO_DELETE),
    "CTE beside an INSERT": (
        "WITH calm AS (UPDATE key_audit_logs SET risk_score = 0 RETURNING 1) INSERT INTO key_audit_logs"
        " (event_type, event_category, event_description) SELECT 'CALM', 'SECURITY', 'all is well' FROM calm",
        NO_UPDATE,
    ),
    "UPDATE through a view": ("UPDATE plain_trail SET risk_score = 0", NO_UPDATE),
    "DELETE through a view": ("DELETE FROM plain_trail", NO_DELETE),
    "UPDATE ONLY": ("UPDATE ONLY key_audit_logs SET risk_score = 0", NO_UPDATE),
    "DELETE USING": (
        "DELETE FROM key_audit_logs USING key_masters WHERE key_masters.id = key_audit_logs.key_id",
        NO_DELETE,
    ),
    "TRUNCATE": ("TRUNCATE key_audit_logs", NO_DELETE),
    "TRUNCATE ONLY, identity restarted": ("TRUNCATE ONLY key_audit_logs RESTART IDENTITY", NO_DELETE),
    "MERGE that updates": (
        f"MERGE INTO key_audit_logs AS t USING {ONE} AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET risk_score = 0",
        NO_UPDATE,
    ),
    "MERGE that deletes": (
        f"MERGE INTO key_audit_logs AS t USING {ONE} AS s ON t.id = s.id WHEN MATCHED THEN DELETE",
        NO_DELETE,
    ),
}


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    "role", ["replica", pytest.param("origin", marks=pytest.mark.full), pytest.param("local", marks=pytest.mark.full)]
)
@pytest.mark.parametrize("attack", [*CHANGES, *CHANGES_ON_POSTGRESQL])
def test_other_statements_of_postgresql_are_refused(trail: Connection, attack: str, role: str) -> None:
    execute(trail, "CREATE VIEW plain_trail AS SELECT * FROM key_audit_logs")
    execute(trail, f"SET LOCAL session_replication_role = {role}")
    statement, rule = {**CHANGES, **CHANGES_ON_POSTGRESQL}[attack]
    assert isinstance(trail, psycopg.Connection)
    if attack.startswith("MERGE") and trail.info.server_version < FIRST_WITH_MERGE:
        refuses(trail, TABLE, statement, rule="syntax error", sqlstate="42601")
    else:
        refuses(trail, TABLE, statement, rule=rule, sqlstate=WRITTEN_ONCE)


@pytest.mark.only_on("postgresql")
def test_truncating_the_keys_does_not_truncate_the_trail(trail: Connection) -> None:
    refuses(trail, TABLE, "TRUNCATE key_masters", rule="cannot truncate a table", sqlstate="0A000")
    refuses(trail, TABLE, "TRUNCATE key_masters CASCADE", rule="prevent_key_", sqlstate=WRITTEN_ONCE)
    # One rule alone, as if nothing stood before it.
    execute(trail, "DROP TRIGGER prevent_key_master_truncate ON key_masters")
    execute(trail, "DROP TRIGGER prevent_key_version_delete_truncate ON key_versions")
    execute(trail, "DROP TRIGGER prevent_key_rotation_truncate ON key_rotations")
    refuses(trail, TABLE, "TRUNCATE key_masters CASCADE", rule=NO_DELETE, sqlstate=WRITTEN_ONCE)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("key", ["id", "sequence"])
def test_an_upsert_does_not_change_an_entry(trail: Connection, key: str) -> None:
    upsert = (
        f"INSERT INTO key_audit_logs ({key}, event_type, event_category, event_description)"  # noqa: S608
        f" SELECT {key}, event_type, event_category, 'rewritten' FROM key_audit_logs"
        f" ON CONFLICT ({key}) DO UPDATE SET event_description = excluded.event_description"
    )
    refuses(trail, TABLE, upsert, rule=GUARD, sqlstate="23514")
    execute(trail, "SET LOCAL kms.restore = on")
    refuses(trail, TABLE, upsert, rule=NO_UPDATE, sqlstate=WRITTEN_ONCE)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("columns", ["id", "sequence", '"timestamp"', "recorded_by"])
def test_copy_brings_no_forged_entry(trail: Connection, columns: str) -> None:
    assert isinstance(trail, psycopg.Connection)
    forged = {
        "id": "01900000-0000-7000-8000-000000000000",
        "sequence": "900",
        '"timestamp"': "2020-01-01 00:00:00+00",
        "recorded_by": "alice",
    }[columns]
    before = stored(trail, TABLE)
    said = "event_type, event_category, event_description"
    with (
        pytest.raises(psycopg.errors.CheckViolation, match=GUARD),
        trail.transaction(),
        trail.cursor() as cursor,
        cursor.copy(f"COPY key_audit_logs ({columns}, {said}) FROM STDIN") as copy,
    ):
        copy.write_row((forged, "COPIED", "SECURITY", "never happened"))
    assert stored(trail, TABLE) == before
    with trail.cursor() as cursor, cursor.copy(f"COPY key_audit_logs ({said}) FROM STDIN") as copy:
        copy.write_row(("COPIED", "SECURITY", "it happened"))
    assert len(stored(trail, TABLE)) == len(before) + 1


@pytest.mark.only_on("postgresql")
def test_an_attack_with_a_caught_error_changes_nothing(trail: Connection) -> None:
    before = stored(trail, TABLE)
    for statement, _ in CHANGES.values():
        body = statement.removesuffix(" RETURNING id")
        execute(trail, f"DO $$ BEGIN {body}; EXCEPTION WHEN OTHERS THEN NULL; END $$")
    assert stored(trail, TABLE) == before


@pytest.fixture
def hijacker(database: Database) -> Iterator[Database]:
    """The database as seen by an application that may also make objects of its own, in a schema and temporarily."""
    name = sa.make_url(database.url).database
    privileges = (f"INSERT, SELECT ON {TABLE}", f"CREATE, TEMPORARY ON DATABASE {name}")
    with login(database, *privileges) as seen:
        yield seen


HIJACKS = {
    "functions placed first": (
        "CREATE SCHEMA evil",
        "CREATE FUNCTION evil.pg_has_role(name, oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT 'epoch'::timestamptz$$",
        "CREATE FUNCTION evil.nextval(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT -5::bigint'",
        "CREATE FUNCTION evil.kms_uuidv7() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'",
        "SET search_path = evil, pg_catalog, public",
    ),
    "an operator placed first": (
        "CREATE SCHEMA evil",
        "CREATE FUNCTION evil.never(integer, integer) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
        "CREATE OPERATOR evil.> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = evil.never)",
        "CREATE FUNCTION evil.always(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.always)",
        "SET search_path = evil, pg_catalog, public",
    ),
    "a temporary catalog": (
        "CREATE TEMPORARY TABLE pg_class AS SELECT oid, (SELECT oid FROM pg_catalog.pg_roles"
        " WHERE rolname = session_user) AS relowner FROM pg_catalog.pg_class",
        "SET search_path = pg_temp, pg_catalog, public",
    ),
    "temporary keys": (
        "CREATE TEMPORARY TABLE key_masters (id uuid PRIMARY KEY)",
        "SET search_path = pg_temp, pg_catalog, public",
    ),
}


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("hijack", HIJACKS)
def test_no_object_earlier_on_the_search_path_bypasses_the_guard_trigger(hijacker: Database, hijack: str) -> None:
    with closing(hijacker.connect()) as connection:
        for statement in HIJACKS[hijack]:
            execute(connection, statement)
        execute(connection, "SET kms.restore = on")
        trail = "public.key_audit_logs"
        backdated = Forbidden({"timestamp": now() - dt.timedelta(days=9)}, GUARD)
        refuses_insert(connection, trail, audit_entry(), backdated)
        if hijack == "temporary keys":
            temporary = insert(connection, "pg_temp.key_masters", id=key_master()["id"])
            nobody = Forbidden({"key_id": temporary["id"]}, "fk_key_audit_logs_key_id_key_masters", "23503")
            refuses_insert(connection, trail, audit_entry(), nobody)
        insert(connection, trail, **audit_entry())
        execute(connection, "SET search_path = pg_catalog")
        true = execute(
            connection,
            "SELECT sequence > 1 AND id::text LIKE '________-____-7%' AND recorded_by = session_user"
            " AND clock_timestamp() - timestamp < interval '1 minute' FROM public.key_audit_logs"
            " WHERE event_type = 'TEST'",
        ).fetchone()
        assert true == (True,)
