"""Tombstones of the trail in SQLite, where any writer may remove what a tombstone is for."""

import sqlite3

from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.storage.trail import swallowed

TOMBSTONES = (
    "SELECT seal_number, leaf_count AS tombstone_leaf_count, last_sequence AS tombstone_last_sequence,"
    " archive_sha256 FROM main.key_audit_tombstones"
)
"""The query of tombstones, whose columns have names of their own beside a seal's."""

_BATCH = 10_000
_UNTIL = (
    "strftime('%Y-%m-%dT%H:%M:%f', substr(\"timestamp\", 1, 23), '+' || retention_period_days || ' days') || '000Z'"
)


class SqliteTombstones:
    """The part of a trail that ends retention periods."""

    _cursor: sqlite3.Cursor

    def tombstone(self) -> Tombstone | None:
        """Return the newest."""
        row = self._cursor.execute(f"{TOMBSTONES} ORDER BY seal_number DESC LIMIT 1").fetchone()
        return None if row is None else Tombstone(*row[1:])

    def has_entries(self, until: int) -> bool:
        """Say whether there is an entry so old."""
        query = "SELECT EXISTS (SELECT 1 FROM main.key_audit_logs WHERE sequence <= ?)"
        ((found,),) = self._cursor.execute(query, (until,))
        return bool(found)

    def count_entries(self, until: int) -> int:
        """Return how many entries are so old."""
        ((count,),) = self._cursor.execute("SELECT count(*) FROM main.key_audit_logs WHERE sequence <= ?", (until,))
        return int(count)

    def divides(self, leaf_count: int, last_sequence: int) -> bool:
        """Say whether the leaves are the entries."""
        ((found,),) = self._cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM main.key_audit_leaves WHERE first_leaf + length(hashes) / 32 = ?1"
            " AND first_sequence + length(hashes) / 32 - 1 = ?2) AND NOT EXISTS"
            " (SELECT 1 FROM main.key_audit_leaves WHERE (first_leaf < ?1) <> (first_sequence <= ?2))",
            (leaf_count, last_sequence),
        )
        return bool(found)

    def end_of_expired(self) -> int | None:
        """Return the first sequence that is kept."""
        row = self._cursor.execute(
            f"SELECT sequence FROM main.key_audit_logs WHERE {_UNTIL} > strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'"
            " ORDER BY sequence LIMIT 1"
        ).fetchone()
        return None if row is None else int(row[0])

    def division(self, after_leaf: int, until: int) -> tuple[int, int] | None:
        """Return the last page that fits; sequences are in the order of the leaves."""
        row = self._cursor.execute(
            "SELECT first_leaf + length(hashes) / 32 AS leaf_count, first_sequence + length(hashes) / 32 - 1"
            " FROM main.key_audit_leaves WHERE first_sequence + length(hashes) / 32 - 1 <= ? AND first_sequence <= ?"
            " AND leaf_count > ? ORDER BY first_sequence DESC LIMIT 1",
            (until, until, after_leaf),
        ).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def bury(self, seal_number: int, tombstone: Tombstone) -> None:
        """Write a tombstone."""
        self._cursor.execute(
            "INSERT INTO main.key_audit_tombstones (seal_number, leaf_count, last_sequence, archive_sha256)"
            " VALUES (?, ?, ?, ?)",
            (seal_number, tombstone.leaf_count, tombstone.last_sequence, tombstone.archive_sha256),
        )
        if self._cursor.rowcount != 1:
            raise swallowed("key_audit_tombstones")

    def demand_removal(self) -> None:
        """Let anybody who writes the file."""

    def remove_expired(self) -> int:
        """Remove a batch."""
        self._cursor.execute(
            "DELETE FROM main.key_audit_logs WHERE sequence IN (SELECT sequence FROM main.key_audit_logs WHERE sequence"
            " <= (SELECT max(last_sequence) FROM main.key_audit_tombstones) ORDER BY sequence LIMIT ?)",
            (_BATCH,),
        )
        return self._cursor.rowcount
