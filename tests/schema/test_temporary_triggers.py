"""TEMP triggers of SQLite run before the triggers of the schema, and may skip them: the known gap, and what ends it."""

import sqlite3
from contextlib import closing

import pytest

import kms_schema
from support.engines import Database
from support.rows.smallest import active_key_master, audit_entry, insert, live_key_version
from support.statements import execute, refused

pytestmark = pytest.mark.only_on("sqlite")

REVOKED = "UPDATE key_masters SET status = 'revoked'"
TYPES = "SELECT event_type FROM key_audit_logs ORDER BY sequence"


def types(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in execute(connection, TYPES).fetchall()]


def codes(connection: sqlite3.Connection) -> set[str]:
    report = kms_schema.validate(connection, level="data")
    return {each.code for each in report.findings if each.severity == "error"}


def test_a_temporary_trigger_discards_an_entry(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        insert(connection, "key_masters", **active_key_master())
        before = types(connection)
        discards = "CREATE TEMP TRIGGER away BEFORE INSERT ON main.key_audit_logs BEGIN SELECT RAISE(IGNORE); END"
        execute(connection, discards)
        execute(connection, REVOKED)
        assert types(connection) == before
        assert codes(connection) == {"KMS142"}
    with closing(database.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        assert codes(connection) == set()


def test_a_temporary_trigger_skips_the_triggers_after_a_change(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        master = insert(connection, "key_masters", **active_key_master())
        insert(connection, "key_versions", **live_key_version(master))
        before = types(connection)
        for table, event in (("key_masters", "UPDATE"), ("key_audit_logs", "INSERT")):
            skips = f"AFTER {event} ON main.{table} BEGIN SELECT RAISE(IGNORE); END"
            execute(connection, f"CREATE TEMP TRIGGER skips_{table} {skips}")
        execute(connection, REVOKED)
        assert types(connection) == before
        insert(connection, "key_audit_logs", **audit_entry())
    with closing(database.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        assert "KMS501" in codes(connection)
        refused(connection, "UPDATE key_masters SET status_reason = 'x'", rule="UNIQUE constraint failed")
        execute(
            connection,
            "UPDATE key_audit_logs SET sequence = 1 + (SELECT max(sequence) FROM key_audit_logs) WHERE sequence = 0",
        )
        execute(connection, "UPDATE key_masters SET status_reason = 'x'")
        assert types(connection) == [*before, audit_entry()["event_type"], "KEY_CHANGED"]
