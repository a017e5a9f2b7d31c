"""The audit log in SQLite, where writers take turns and no sequence is left out."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from kms_schema.audit.formats.encoding import Bytes
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.storage.errors import write_discarded
from kms_schema.audit.storage.sqlite.encoded_entries import SELECTED, entry_or_unreadable
from kms_schema.audit.storage.sqlite.session import Session


class SqliteEntries:
    """Reads and writes `key_audit_logs`: `LogReader` and `EntryWriter`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._cursor, self._entries_cursor = session.cursor, session.entries_cursor

    def first_id(self) -> str | None:
        """Return the id of the first entry, as PostgreSQL writes it."""
        row = self._cursor.execute("SELECT id FROM main.key_audit_logs ORDER BY sequence LIMIT 1").fetchone()
        if row is None:
            return None
        digits = str(row[0])
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def unsealed(self, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        """Yield entries above `after`."""
        del gaps
        return self._read("sequence > ? ORDER BY sequence LIMIT ?", (after, limit))

    def count_unsealed(self, after: int, gaps: Sequence[Gap]) -> int:
        """Return the number of those entries."""
        del gaps
        return self._count("sequence > ?", after)

    def pieces(self, first: int, last: int) -> Iterator[Bytes]:
        """Yield entries by sequence."""
        return self._read("sequence >= ? AND sequence <= ? ORDER BY sequence", (first, last))

    def whole(self, pieces: Iterator[Bytes]) -> Iterator[bytes]:
        """Yield the pieces, which are entries."""
        return cast("Iterator[bytes]", pieces)

    def read(self, first: int, last: int) -> Iterator[bytes]:
        """Yield entries by sequence."""
        return self.whole(self.pieces(first, last))

    def chosen(self, sequences: Sequence[int]) -> Iterator[bytes]:
        """Yield some entries by sequence; the numbers are in the text, which has no limit as parameters have."""
        return self._read(f"sequence IN ({','.join(f'{each:d}' for each in sequences)}) ORDER BY sequence", ())

    def sequence_of(self, entry: uuid.UUID) -> int | None:
        """Return the sequence of an entry."""
        query = "SELECT sequence FROM main.key_audit_logs WHERE id = ?"
        row = self._cursor.execute(query, (entry.hex,)).fetchone()
        return None if row is None else int(row[0])

    def count(self, until: int) -> int:
        """Return the number of entries up to a sequence."""
        return self._count("sequence <= ?", until)

    def exist(self, until: int) -> bool:
        """Return whether there are entries up to a sequence."""
        query = "SELECT EXISTS (SELECT 1 FROM main.key_audit_logs WHERE sequence <= ?)"
        ((found,),) = self._cursor.execute(query, (until,))
        return bool(found)

    def key(self, key_id: str) -> str | None:
        """Return the id of a key."""
        row = self._cursor.execute("SELECT id FROM main.key_masters WHERE key_id = ?", (key_id,)).fetchone()
        return None if row is None else str(row[0])

    def insert(self, values: Mapping[str, object]) -> int:
        """Write an entry; defaults and triggers set the other columns."""
        names, places = ", ".join(f'"{column}"' for column in values), ", ".join("?" * len(values))
        self._cursor.execute(f"INSERT INTO main.key_audit_logs ({names}) VALUES ({places})", list(values.values()))
        if self._cursor.rowcount != 1:
            raise write_discarded("key_audit_logs")
        ((sequence,),) = self._cursor.execute("SELECT max(sequence) FROM main.key_audit_logs")
        return int(sequence)

    def _count(self, condition: str, value: int) -> int:
        ((count,),) = self._cursor.execute(f"SELECT count(*) FROM main.key_audit_logs WHERE {condition}", (value,))
        return int(count)

    def _read(self, condition: str, values: tuple[int, ...]) -> Iterator[bytes]:
        query = f"SELECT {SELECTED} FROM main.key_audit_logs WHERE typeof(sequence) = 'integer' AND {condition}"
        return map(entry_or_unreadable, self._entries_cursor.execute(query, values))
