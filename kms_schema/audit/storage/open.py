"""Opens the trail behind a connection of either engine."""

import sqlite3
import sys
from contextlib import AbstractContextManager

from kms_schema.audit.storage.transactions import OpenTrail, Snapshot
from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS


def open_trail(
    connection: DatabaseConnection,
    schema: str = "public",
    lock_wait: float = LOCK_WAIT_SECONDS,
    *,
    immutable: bool = False,
) -> OpenTrail:
    """Return the trail behind a connection.

    connection: an idle connection of psycopg or sqlite3; every transaction leaves it as it was.
    schema: the PostgreSQL schema of the tables, unquoted; ignored for SQLite.
    lock_wait: how many seconds to wait for other sessions on PostgreSQL; SQLite has the timeout of the connection.
    immutable: the SQLite connection was opened with `immutable=1`, and other processes are to open the file so, too.

    A transaction raises `TrailError`, with the session that seals, if that does not end in time, and psycopg's
    `LockNotAvailable` for a locked table. Raises `TrailError` for a connection in a transaction, and `TypeError` for
    any other object. A missing table is an error when a transaction is opened. Example::

        with psycopg.connect("dbname=kms", autocommit=True) as connection:
            trail = open_trail(connection)
    """
    if isinstance(connection, sqlite3.Connection):
        from kms_schema.audit.storage.sqlite.transactions import OpenSqliteTrail

        return OpenSqliteTrail(connection, immutable=immutable)
    psycopg = sys.modules.get("psycopg")  # a program with a connection has imported it
    if psycopg is not None and isinstance(connection, psycopg.Connection):
        from kms_schema.audit.storage.postgresql.transactions import OpenPostgresqlTrail

        return OpenPostgresqlTrail(connection, schema, lock_wait)
    raise TypeError("give a connection of psycopg or sqlite3; SQLAlchemy's has it as .connection.driver_connection")


def snapshot_within(connection: DatabaseConnection, schema: str = "public") -> AbstractContextManager[Snapshot]:
    """Return the trail as the transaction that a connection is in observes it; the transaction goes on afterwards.

    connection: of psycopg, in a REPEATABLE READ transaction, or of sqlite3, in a transaction that has read.
    schema: the PostgreSQL schema of the tables, unquoted; ignored for SQLite.

    Raises `TrailError` if a table is missing. Example::

        with snapshot_within(connection) as snapshot:
            document = prove_inclusion(snapshot, 4711)
    """
    if isinstance(connection, sqlite3.Connection):
        from kms_schema.audit.storage.sqlite.transactions import snapshot_within as of_sqlite

        return of_sqlite(connection)
    from kms_schema.audit.storage.postgresql.transactions import snapshot_within as of_postgresql

    return of_postgresql(connection, schema)
