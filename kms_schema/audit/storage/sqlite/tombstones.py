"""The tombstones of a trail in SQLite; any writer may remove the entries that they name."""

from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.storage.errors import write_discarded
from kms_schema.audit.storage.sqlite.session import Session
from kms_schema.reading.times import SQLITE_NOW, hours_after

TOMBSTONES = (
    "SELECT seal_number, leaf_count AS tombstone_leaf_count, last_sequence AS tombstone_last_sequence,"
    " archive_sha256 FROM main.key_audit_tombstones"
)
"""The query of tombstones, whose columns have other names than those of a seal."""

_BATCH = 10_000
_UNTIL = hours_after('"timestamp"', "24 * retention_period_days")


_COVERED = (
    "sequence <= (SELECT max(last_sequence) FROM main.key_audit_tombstones) AND (SELECT page.first_leaf"
    " < (SELECT max(leaf_count) FROM main.key_audit_tombstones)"
    " AND entry.sequence < page.first_sequence + length(page.hashes) / 32 FROM main.key_audit_leaves AS page"
    " WHERE page.first_sequence <= entry.sequence ORDER BY page.first_sequence DESC LIMIT 1)"
)


class SqliteTombstones:
    """Reads and writes `key_audit_tombstones`: `TombstoneReader` and `TombstoneWriter`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._cursor = session.cursor

    def newest(self) -> Tombstone | None:
        """Return the newest of a seal: the seal's signature covers it, and nothing covers one without a seal."""
        of_seals = "WHERE seal_number IN (SELECT seal_number FROM main.key_audit_seals)"
        row = self._cursor.execute(f"{TOMBSTONES} {of_seals} ORDER BY seal_number DESC LIMIT 1").fetchone()
        return None if row is None else Tombstone(*row[1:])

    def write(self, seal_number: int, tombstone: Tombstone) -> None:
        """Write a tombstone."""
        self._cursor.execute(
            "INSERT INTO main.key_audit_tombstones (seal_number, leaf_count, last_sequence, archive_sha256)"
            " VALUES (?, ?, ?, ?)",
            (seal_number, tombstone.leaf_count, tombstone.last_sequence, tombstone.archive_sha256),
        )
        if self._cursor.rowcount != 1:
            raise write_discarded("key_audit_tombstones")


class SqliteRetention:
    """Ends retention periods: `RetentionPeriods` and `EntryRemover`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._cursor = session.cursor

    def first_retained(self, first_leaf: int) -> int | None:
        """Return the first leaf of the first page with an entry that is retained."""
        row = self._cursor.execute(
            "SELECT page.first_leaf FROM main.key_audit_leaves AS page WHERE page.first_leaf >= ? AND EXISTS ("
            "SELECT 1 FROM main.key_audit_logs WHERE sequence"
            " BETWEEN page.first_sequence AND page.first_sequence + length(page.hashes) / 32 - 1"
            f" AND ({_UNTIL} <= {SQLITE_NOW}) IS NOT 1)"
            " ORDER BY page.first_leaf LIMIT 1",
            (first_leaf,),
        ).fetchone()
        return None if row is None else int(row[0])

    def first_left(self) -> int | None:
        """Return the first entry that is left."""
        query = f"SELECT sequence FROM main.key_audit_logs AS entry WHERE {_COVERED} ORDER BY sequence LIMIT 1"
        row = self._cursor.execute(query).fetchone()
        return None if row is None else int(row[0])

    def require_privilege(self) -> None:
        """Do nothing: SQLite has no privileges."""

    def remove(self) -> int:
        """Remove a batch."""
        self._cursor.execute(
            "DELETE FROM main.key_audit_logs WHERE sequence IN (SELECT sequence FROM main.key_audit_logs AS entry"
            f" WHERE {_COVERED} ORDER BY sequence LIMIT ?)",
            (_BATCH,),
        )
        return self._cursor.rowcount
