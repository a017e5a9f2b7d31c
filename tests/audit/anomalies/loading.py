"""Writes a `Life` into a database: without triggers, which would set other times and write entries of their own."""

import datetime as dt
import json
import re
import sqlite3
import uuid
from typing import Any

from benchmarks.data.loading import add, transaction
from support.engines.database import Connection
from tests.audit.anomalies.life import ENTRY, Life

_TABLES = ("rotation_policies", "key_masters", "key_versions", "key_rotations", "key_audit_logs")
_FIRST = 2
"""The sequence of the first entry: `system_init` has 1."""
_COLUMNS = ("id", "sequence", "retention_period_days", *ENTRY)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_METADATA, _LOGIN, _USER = ENTRY.index("additional_metadata"), ENTRY.index("recorded_by"), ENTRY.index("user_id")


def load(connection: Connection, life: Life, *, with_logins: bool = True, is_large: bool = False) -> None:
    """Write everything; the triggers of these tables are gone afterwards.

    Without logins, entries have those that SQLite gives them: `sqlite`, with the login as a claim of changes. Values
    of a large one are not checked on SQLite, which takes most of the time.
    """
    with transaction(connection):
        if is_large and isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA ignore_check_constraints = on")
        for table in _TABLES:
            without_triggers(connection, table)
        for table, columns, rows in life.rows():
            add(connection, table, columns, [tuple(map(_value(connection), row)) for row in rows])
        move = "UPDATE key_audit_logs SET \"timestamp\" = '2020-01-01T00:00:00.000000Z'"
        connection.execute(move)
        entries = sorted(life.entries, key=lambda entry: entry[0])
        adapt = _value(connection)
        add(
            connection, "key_audit_logs", _COLUMNS,
            (
                tuple(map(adapt, (_id(each[0], place), _FIRST + place, 2555, *_claimed(each, connection, with_logins))))
                for place, each in enumerate(entries)
            ),
        )  # fmt: skip
    connection.execute("ANALYZE")


def _claimed(entry: tuple[Any, ...], connection: Connection, with_logins: bool) -> tuple[Any, ...]:
    """Return the entry with its document as text, and what SQLite has instead of a login."""
    changed = list(entry)
    text = json.dumps(entry[_METADATA])
    is_sqlite = isinstance(connection, sqlite3.Connection)
    changed[_METADATA] = _ID.sub(lambda found: found[0].replace("-", ""), text) if is_sqlite else text
    if not with_logins:
        is_use = "process" in entry[_METADATA]
        changed[_LOGIN] = "sqlite"
        changed[_USER] = entry[_USER] if is_use else entry[_USER] or entry[_LOGIN]
    return tuple(changed)


def _id(at: dt.datetime, place: int) -> uuid.UUID:
    milliseconds = int(at.timestamp() * 1000)
    return uuid.UUID(f"{milliseconds:012x}7{place & 0xFFF:03x}8{place:015x}")


def _value(connection: Connection) -> Any:
    """Return the function that makes a value one of the driver's."""
    if not isinstance(connection, sqlite3.Connection):
        return str_of_enum

    def adapt(value: Any) -> Any:
        if isinstance(value, dt.datetime):
            return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return value.hex if isinstance(value, uuid.UUID) else value

    return adapt


def str_of_enum(value: Any) -> Any:
    """Return a member of an enumeration as its text."""
    return str(value) if isinstance(value, str) else value


def without_triggers(connection: Connection, table: str) -> None:
    """Remove the triggers of a table on SQLite, disable them on PostgreSQL."""
    if not isinstance(connection, sqlite3.Connection):
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        return
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?", (table,))
    for (name,) in names.fetchall():
        connection.execute(f"DROP TRIGGER {name}")
