"""Opens the queue behind a connection of either engine.

On SQLite a writer locks the file (BEGIN IMMEDIATE), so workers wait for each other.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.rotations.queue import RotationQueue
from kms_schema.rotations.statements import Statements


class SqliteStatements(Statements):
    """The rotations in a SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection, idle or in a transaction."""
        super().__init__(connection, "main")
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin a transaction that may write, or join the open one."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()


def open_queue(connection: DatabaseConnection, schema: str = "public", lock_wait: float | None = None) -> RotationQueue:
    """Return the queue of rotations behind a connection of psycopg or sqlite3.

    The queue commits each call, unless the connection is in a transaction: then the call is part of that transaction,
    which must be READ COMMITTED on PostgreSQL. The privileges of `kms_rotator` suffice.

    - `connection`: idle or in a transaction; SQLAlchemy has it as `.connection.driver_connection`
    - `schema`: the schema of the tables on PostgreSQL; not used on SQLite
    - `lock_wait`: the seconds to wait for each lock on PostgreSQL; by default the session's `lock_timeout` applies

    Raises psycopg's `LockNotAvailable` after `lock_wait`, and `TypeError` for a connection of another driver.

    ```python
    with psycopg.connect(url, autocommit=True) as connection:
        claim = open_queue(connection).claim("worker-1")
    ```
    """
    if isinstance(connection, sqlite3.Connection):
        return RotationQueue(SqliteStatements(connection))
    psycopg = sys.modules.get("psycopg")  # loaded if there is a connection of it
    if psycopg is not None and isinstance(connection, psycopg.Connection):
        from kms_schema.rotations.postgresql_queue import PostgresqlStatements  # noqa: PLC0415  (it imports psycopg)

        return RotationQueue(PostgresqlStatements(connection, schema, lock_wait))
    raise TypeError("give a connection of psycopg or sqlite3; SQLAlchemy's has it as .connection.driver_connection")
