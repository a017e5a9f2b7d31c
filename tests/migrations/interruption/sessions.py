"""What a killed client leaves on the server: nothing, soon."""

import time
from contextlib import closing

import psycopg

from support.engines import Database

SECONDS = 10
"""How long a server process may go on after its client died; it looks when it has executed its statement."""


def await_silence(database: Database) -> None:
    """Wait until nobody else is connected to the database, and see that nobody holds a lock of its."""
    if database.dialect == "sqlite":
        return
    deadline = time.monotonic() + SECONDS
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        while left := others(connection):
            assert time.monotonic() < deadline, left
            time.sleep(0.002)
        assert advisory_locks(connection) == []


def others(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Return the other sessions of this database."""
    return connection.execute(
        """SELECT pid, state, query FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
    ).fetchall()


def advisory_locks(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return connection.execute(
        """SELECT pid, objid FROM pg_locks
        WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    ).fetchall()
