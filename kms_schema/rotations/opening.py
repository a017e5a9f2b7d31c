"""The queue behind a connection, whichever engine it leads to."""

import sqlite3
import sys
from typing import TYPE_CHECKING, Any

from kms_schema.rotations.queue import RotationQueue

if TYPE_CHECKING:
    import psycopg


def open_queue(connection: "psycopg.Connection[Any] | sqlite3.Connection", schema: str = "public") -> RotationQueue:
    """Return the rotations in `schema` (PostgreSQL's) behind a connection of psycopg or sqlite3.

    What the queue does is committed, unless the connection is in a transaction: then it is part of that. On PostgreSQL
    such a transaction is READ COMMITTED, and the rights of `kms_rotator` suffice. Raises `TypeError` for another
    connection.
    """
    if isinstance(connection, sqlite3.Connection):
        from kms_schema.rotations.sqlite_queue import SqliteQueue  # noqa: PLC0415

        return SqliteQueue(connection)
    psycopg = sys.modules.get("psycopg")  # whoever has a connection has imported it
    if psycopg is not None and isinstance(connection, psycopg.Connection):
        from kms_schema.rotations.postgresql_queue import PostgresqlQueue  # noqa: PLC0415

        return PostgresqlQueue(connection, schema)
    raise TypeError("give a connection of psycopg or sqlite3; SQLAlchemy's has it as .connection.driver_connection")
