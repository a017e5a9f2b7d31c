"""Disables triggers, foreign keys and CHECK constraints, as the owner of the tables can, and enables them again."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from support.engines.database import Connection
from support.statements import execute


@contextmanager
def triggers_disabled(connection: Connection) -> Iterator[None]:
    """Disable every trigger, foreign key and CHECK while the block runs."""
    on_sqlite = isinstance(connection, sqlite3.Connection)
    with _disabled_on_sqlite(connection) if on_sqlite else _disabled_on_postgresql(connection):
        yield


@contextmanager
def _disabled_on_sqlite(connection: Connection) -> Iterator[None]:
    assert isinstance(connection, sqlite3.Connection)
    triggers = execute(connection, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    _at_once(connection, [f"DROP TRIGGER {name}" for name, _ in triggers])
    execute(connection, "PRAGMA ignore_check_constraints = on")
    yield
    execute(connection, "PRAGMA ignore_check_constraints = off")
    _at_once(connection, [statement for _, statement in triggers])


def _at_once(connection: sqlite3.Connection, statements: list[str]) -> None:
    """Run statements in one transaction: a commit of each takes most of the time."""
    if connection.in_transaction:
        for statement in statements:
            connection.execute(statement)
    else:
        connection.executescript(";\n".join(["BEGIN", *statements, "COMMIT;"]))


@contextmanager
def _disabled_on_postgresql(connection: Connection) -> Iterator[None]:
    checks = "contype = 'c' AND connamespace = 'public'::regnamespace"
    constraints = execute(
        connection,
        f"SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE {checks}",  # noqa: S608
    ).fetchall()
    triggers = execute(
        connection,
        "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0",
    ).fetchall()
    for table, name in triggers:
        execute(connection, f"ALTER TABLE {table} DISABLE TRIGGER {name}")
    for table, name, _ in constraints:
        execute(connection, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    execute(connection, "SET session_replication_role = replica")
    yield
    execute(connection, "SET session_replication_role = origin")
    for table, name, definition in constraints:
        connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID".encode())
    execute(connection, f"UPDATE pg_constraint SET convalidated = true WHERE {checks}")  # noqa: S608
    for table, name in triggers:
        execute(connection, f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
