"""One transaction on the tables of a trail in SQLite."""

import sqlite3

from kms_schema.audit.storage.errors import missing_table, not_a_table


class Session:
    """Two cursors of one connection: entries are read with one while the other is used."""

    def __init__(self, cursor: sqlite3.Cursor, entries_cursor: sqlite3.Cursor) -> None:
        """Take the cursors of a transaction that has begun."""
        self.cursor: sqlite3.Cursor = cursor
        self.entries_cursor: sqlite3.Cursor = entries_cursor

    def require(self, *tables: str) -> None:
        """Raise `TrailError` if the database does not have a table yet, or has a view or virtual table instead."""
        query = (
            "SELECT type = 'table' AND rootpage > 0 FROM main.sqlite_master"
            " WHERE type IN ('table', 'view') AND lower(name) = ?"
        )
        for table in tables:
            found = self.cursor.execute(query, (table,)).fetchone()
            if found is None:
                raise missing_table(table)
            if not found[0]:
                raise not_a_table(table)
