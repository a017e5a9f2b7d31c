"""One transaction on the tables of a trail in SQLite."""

import sqlite3
from collections.abc import Sequence
from typing import Any, ClassVar

from kms_schema.audit.storage.errors import missing_table, not_a_table, write_discarded
from kms_schema.audit.storage.session import Session


class SqliteSession(Session):
    """Two cursors of one connection: entries are read with one while the other is used."""

    place: ClassVar[str] = "?"

    def __init__(self, cursor: sqlite3.Cursor, entries_cursor: sqlite3.Cursor) -> None:
        """Take the cursors of a transaction that has begun."""
        super().__init__("main")
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

    def rows(self, query: str, values: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        return self.cursor.execute(query, values or ()).fetchall()

    def execute(self, query: str, values: tuple[Any, ...] = ()) -> int:
        return self.cursor.execute(query, values).rowcount

    def insert_nodes(self, table: str, columns: str, rows: Sequence[tuple[int, int, bytes]]) -> None:
        if rows:
            self.cursor.executemany(f"INSERT INTO main.{table} ({columns}) VALUES (?, ?, ?)", rows)
            if self.cursor.rowcount != len(rows):
                raise write_discarded(table)

    def if_integer(self, column: str) -> str:
        return f" AND typeof({column}) = 'integer'"
