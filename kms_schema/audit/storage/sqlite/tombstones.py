"""The tombstones of a trail in SQLite; any writer may remove the entries that they name."""

from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.storage.errors import write_discarded
from kms_schema.audit.storage.sqlite.session import Session

TOMBSTONES = (
    "SELECT seal_number, leaf_count AS tombstone_leaf_count, last_sequence AS tombstone_last_sequence,"
    " archive_sha256 FROM main.key_audit_tombstones"
)
"""The query of tombstones, whose columns have other names than those of a seal."""

_BATCH = 10_000
_UNTIL = (
    "strftime('%Y-%m-%dT%H:%M:%f', substr(\"timestamp\", 1, 23), '+' || retention_period_days || ' days') || '000Z'"
)


class SqliteTombstones:
    """Reads and writes `key_audit_tombstones`: `TombstoneReader` and `TombstoneWriter`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._cursor = session.cursor

    def newest(self) -> Tombstone | None:
        """Return the newest."""
        row = self._cursor.execute(f"{TOMBSTONES} ORDER BY seal_number DESC LIMIT 1").fetchone()
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

    def first_retained(self) -> int | None:
        """Return the first sequence that is retained."""
        row = self._cursor.execute(
            f"SELECT sequence FROM main.key_audit_logs WHERE {_UNTIL} > strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'"
            " ORDER BY sequence LIMIT 1"
        ).fetchone()
        return None if row is None else int(row[0])

    def require_privilege(self) -> None:
        """Do nothing: SQLite has no privileges."""

    def remove(self) -> int:
        """Remove a batch."""
        self._cursor.execute(
            "DELETE FROM main.key_audit_logs WHERE sequence IN (SELECT sequence FROM main.key_audit_logs WHERE sequence"
            " <= (SELECT max(last_sequence) FROM main.key_audit_tombstones) ORDER BY sequence LIMIT ?)",
            (_BATCH,),
        )
        return self._cursor.rowcount
