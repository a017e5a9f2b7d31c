"""Writes rows of `sqlite_schema` past SQLite."""

import sqlite3


def write(connection: sqlite3.Connection, *statements: str, schema: str = "main") -> None:
    """Write the catalog, as anyone can who may write the file."""
    connection.executescript("PRAGMA synchronous = off; PRAGMA writable_schema = on")
    for statement in statements:
        connection.execute(statement)
    ((version,),) = connection.execute(f"PRAGMA {schema}.schema_version").fetchall()
    connection.execute(f"PRAGMA {schema}.schema_version = {version + 1}")
