"""The audit log in SQLite, where writers take turns and no sequence is left out."""

import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from kms_schema.audit.formats.encoding import Bytes
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.storage.entries import Entries, Retention
from kms_schema.audit.storage.errors import write_discarded
from kms_schema.audit.storage.sqlite.encoded_entries import SELECTED, entry_or_unreadable
from kms_schema.audit.storage.sqlite.session import SqliteSession
from kms_schema.reading.times import SQLITE_NOW, hours_after

_BATCH = 10_000
_UNTIL = hours_after('"timestamp"', "24 * retention_period_days")
_COVERED = (
    "sequence <= (SELECT max(last_sequence) FROM main.key_audit_tombstones) AND (SELECT page.first_leaf"
    " < (SELECT max(leaf_count) FROM main.key_audit_tombstones)"
    " AND entry.sequence < page.first_sequence + length(page.hashes) / 32 FROM main.key_audit_leaves AS page"
    " WHERE page.first_sequence <= entry.sequence ORDER BY page.first_sequence DESC LIMIT 1)"
)


class SqliteEntries(Entries):
    """Reads and writes `key_audit_logs`."""

    def __init__(self, session: SqliteSession) -> None:
        """Use the transaction of a session."""
        super().__init__(session)
        self._entries_cursor: sqlite3.Cursor = session.entries_cursor

    def pieces(self, first: int, last: int) -> Iterator[Bytes]:
        return self._read(f"sequence >= {first:d} AND sequence <= {last:d} ORDER BY sequence")

    def whole(self, pieces: Iterator[Bytes]) -> Iterator[bytes]:
        return cast("Iterator[bytes]", pieces)  # each is an entry

    def chosen(self, sequences: Sequence[int]) -> Iterator[bytes]:
        return self._read(f"sequence IN ({','.join(f'{each:d}' for each in sequences)}) ORDER BY sequence")

    def first_id(self) -> str | None:
        rows = self._session.rows("SELECT id FROM main.key_audit_logs ORDER BY sequence LIMIT 1")
        if not rows:
            return None
        digits = str(rows[0][0])
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def unsealed(self, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        del gaps
        return self._read(f"sequence > {after:d} ORDER BY sequence LIMIT {limit:d}")

    def count_unsealed(self, after: int, gaps: Sequence[Gap]) -> int:
        del gaps
        return self._count(f"sequence > {after:d}")

    def insert(self, values: Mapping[str, object]) -> int:
        names, places = ", ".join(f'"{column}"' for column in values), ", ".join("?" * len(values))
        statement = f"INSERT INTO main.key_audit_logs ({names}) VALUES ({places})"
        if self._session.execute(statement, tuple(values.values())) != 1:
            raise write_discarded("key_audit_logs")
        (sequence,) = self._session.row("SELECT max(sequence) FROM main.key_audit_logs")
        return int(sequence)

    def _read(self, condition: str) -> Iterator[bytes]:
        query = f"SELECT {SELECTED} FROM main.key_audit_logs WHERE typeof(sequence) = 'integer' AND {condition}"
        return map(entry_or_unreadable, self._entries_cursor.execute(query))

    @staticmethod
    def _stored_id(entry: uuid.UUID) -> object:
        return entry.hex


class SqliteRetention(Retention):
    """Reads when retention periods end, and removes entries."""

    def require_privilege(self) -> None:
        """Do nothing: SQLite has no privileges."""

    def remove(self) -> int:
        return self._session.execute(
            "DELETE FROM main.key_audit_logs WHERE sequence IN (SELECT sequence FROM main.key_audit_logs AS entry"
            f" WHERE {_COVERED} ORDER BY sequence LIMIT {_BATCH})"
        )

    def _first_retained(self, first_leaf: int) -> str:
        return (
            f"SELECT page.first_leaf FROM main.key_audit_leaves AS page WHERE page.first_leaf >= {first_leaf:d}"
            " AND EXISTS (SELECT 1 FROM main.key_audit_logs WHERE sequence"
            " BETWEEN page.first_sequence AND page.first_sequence + length(page.hashes) / 32 - 1"
            f" AND ({_UNTIL} <= {SQLITE_NOW}) IS NOT 1)"
            " ORDER BY page.first_leaf LIMIT 1"
        )

    def _first_left(self) -> str:
        return f"SELECT sequence FROM main.key_audit_logs AS entry WHERE {_COVERED} ORDER BY sequence LIMIT 1"
