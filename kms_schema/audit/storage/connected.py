"""The trail behind a connection, whichever engine it leads to."""

import sqlite3
import sys
from typing import TYPE_CHECKING, Any

from kms_schema.audit.storage.transactions import OpenTrail

if TYPE_CHECKING:
    import psycopg


def open_trail(connection: "psycopg.Connection[Any] | sqlite3.Connection", schema: str = "public") -> OpenTrail:
    """Return the trail in `schema` (PostgreSQL's) behind an idle connection of psycopg or sqlite3.

    Raises `TrailError` for a connection in a transaction, and when a transaction is opened on a database without
    seals; `TypeError` for another connection.
    """
    if isinstance(connection, sqlite3.Connection):
        from kms_schema.audit.storage.sqlite.transactions import OpenSqliteTrail

        return OpenSqliteTrail(connection)
    psycopg = sys.modules.get("psycopg")  # whoever has a connection has imported it
    if psycopg is not None and isinstance(connection, psycopg.Connection):
        from kms_schema.audit.storage.postgresql.transactions import OpenPostgresqlTrail

        return OpenPostgresqlTrail(connection, schema)
    raise TypeError("give a connection of psycopg or sqlite3; SQLAlchemy's has it as .connection.driver_connection")
