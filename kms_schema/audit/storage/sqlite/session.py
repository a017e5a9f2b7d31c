"""One transaction on the tables of a trail in SQLite."""

import sqlite3
from collections.abc import Sequence
from typing import Any, ClassVar

from kms_schema.audit.storage.errors import missing_table, not_a_table, write_discarded
from kms_schema.audit.storage.session import Session


def text_as_stored(stored: bytes) -> str:
    """Return a TEXT value that may not be valid UTF-8: the `text_factory` of connections that read the trail.

    An invalid byte becomes a lone surrogate, which `entry_from_row` writes as that byte again. Otherwise one damaged
    text would make the whole trail unreadable.
    """
    return stored.decode(errors="surrogateescape")


TOLERATED_SECONDS = 60
"""How far a clock may be set back, or an id differ from the time of its entry."""

_SHIFTED = (
    "printf('%012x', CAST((julianday(substr(\"timestamp\", 1, 23)) - 2440587.5) * 86400000 AS INTEGER) {shift}"
    f" {TOLERATED_SECONDS}000)"
)
_SET_BACK = f'(julianday(substr(before, 1, 23)) - julianday(substr("timestamp", 1, 23))) * 86400 > {TOLERATED_SECONDS}'

AGAINST_TIME = f"""SELECT id, sequence, 'is dated ' || "timestamp"
        || CASE WHEN {_SET_BACK} THEN ', and the entry before ' || before ELSE ', and its id is of another time' END
        AS problem
    FROM (SELECT id, sequence, "timestamp", lag("timestamp") OVER (ORDER BY sequence) AS before
        FROM main.key_audit_logs) AS entries
    WHERE {_SET_BACK}
        OR substr(id, 1, 12) NOT BETWEEN {_SHIFTED.format(shift="-")} AND {_SHIFTED.format(shift="+")}
        OR substr(id, 13, 1) <> '7'"""
"""Returns id, sequence and the reason of each entry whose time runs against its sequence.

A connection can redefine the functions that the guard triggers call, and so choose the time of an entry. Entries are
written one after the other, so a time before that of the entry before was chosen, or the clock was set back.
"""


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
