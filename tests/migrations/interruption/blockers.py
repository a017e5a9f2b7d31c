"""Transactions of others that hold CREATE and DROP INDEX CONCURRENTLY up, each at another of its steps."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from support.engines import Database

SECONDS = 30

Flags = tuple[bool, ...]
VALID: Flags = (True, True, True)
NOT_FILLED: Flags = (False, False, True)
FILLED: Flags = (False, True, True)
DEAD: Flags = (False, False, False)
"""What pg_index says, valid, ready and live, by how far the build of an index came, or its removal."""


@contextmanager
def writer(database: Database, table: str) -> Iterator[None]:
    """Have a transaction that writes to `table`: a build waits for it before it begins, its index not yet filled."""
    with closing(database.connect()) as connection:
        connection.execute("BEGIN")
        connection.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        yield


@contextmanager
def old_snapshot(database: Database, _table: str) -> Iterator[None]:
    """Have a transaction that may still read what was before: a build waits for it at its end, its index filled."""
    with closing(database.connect()) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1 FROM pg_class")
        yield


def await_wait(database: Database, backend_pid: int, index: str, flags: Flags) -> None:
    """Wait until a server process waits for a transaction, and the catalog says `flags` of its index."""
    deadline = time.monotonic() + SECONDS
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        waits = "SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s"
        while connection.execute(waits, (backend_pid,)).fetchone() != ("Lock",) or flags_of(connection, index) != flags:
            assert time.monotonic() < deadline, flags_of(connection, index)
            time.sleep(0.002)


def flags_of(connection: psycopg.Connection[tuple[Any, ...]], index: str) -> Flags | None:
    query = "SELECT indisvalid, indisready, indislive FROM pg_index WHERE indexrelid = to_regclass(%s)"
    return connection.execute(query, (index,)).fetchone()
