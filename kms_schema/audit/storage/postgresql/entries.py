"""The audit log in PostgreSQL."""

import uuid
from collections.abc import Iterator, Mapping, Sequence

from kms_schema.audit.formats.encoding import Bytes
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.storage.errors import write_discarded
from kms_schema.audit.storage.postgresql.copy_stream import whole
from kms_schema.audit.storage.postgresql.encoded_entries import SELECTED
from kms_schema.audit.storage.postgresql.session import Session

# The page before a gap may reach into it.
_BETWEEN_PAGES = """SELECT greatest(page.following, gap.first) AS first,
        coalesce(lead(page.first) OVER (ORDER BY page.first), gap.last + 1) - 1 AS last
    FROM (SELECT gap.first - 1 AS first, coalesce((SELECT first_sequence + length(hashes) / 32 FROM {leaves}
                WHERE first_sequence < gap.first ORDER BY first_sequence DESC LIMIT 1), gap.first) AS following
        UNION ALL
        SELECT first_sequence, first_sequence + length(hashes) / 32 FROM {leaves}
        WHERE first_sequence BETWEEN gap.first AND gap.last) AS page"""


class PostgresqlEntries:
    """Reads and writes `key_audit_logs`: `LogReader` and `EntryWriter`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._session = session
        self._log = f"ONLY {session.logs}"

    def first_id(self) -> str | None:
        """Return the id of the first entry."""
        rows = self._session.rows(f"SELECT textin(uuid_out(id)) FROM {self._log} ORDER BY sequence LIMIT 1")
        return str(rows[0][0]) if rows else None

    def unsealed(self, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        """Yield the visible entries above `after` and in `gaps`."""
        found = self.not_sealed("*", after, gaps)
        query = f"SELECT {SELECTED} FROM ({found}) AS entry ORDER BY sequence LIMIT {limit:d}"
        return self.whole(self._session.copy(query))

    def count_unsealed(self, after: int, gaps: Sequence[Gap]) -> int:
        """Return the number of those entries."""
        (count,) = self._session.row(f"SELECT count(*) FROM ({self.not_sealed('sequence', after, gaps)}) AS entry")
        return int(count)

    def not_sealed(self, columns: str, after: int, gaps: Sequence[Gap]) -> str:
        """Return the query of those entries."""
        found = f"SELECT {columns} FROM {self._log} WHERE sequence > {after:d}"
        if gaps:
            firsts, lasts = (
                f"ARRAY[{','.join(f'{end:d}' for end in ends)}]::bigint[]"
                for ends in ([gap.first for gap in gaps], [gap.last for gap in gaps])
            )
            found += (
                f" UNION ALL SELECT entry.{columns} FROM unnest({firsts}, {lasts}) AS gap (first, last)"
                # A gap may span entries that are sealed: read what is between their pages, and not these entries again.
                f" CROSS JOIN LATERAL ({_BETWEEN_PAGES.format(leaves=f'ONLY {self._session.leaves}')}) AS hole"
                f" CROSS JOIN LATERAL (SELECT {columns} FROM {self._log}"
                " WHERE sequence BETWEEN hole.first AND hole.last OFFSET 0) AS entry"
                " WHERE hole.first <= hole.last"
            )
        return found

    def pieces(self, first: int, last: int) -> Iterator[Bytes]:
        """Yield the data of a COPY, usually a tuple a piece, and its trailer."""
        return self._session.copy(
            f"SELECT {SELECTED} FROM {self._log} WHERE sequence BETWEEN {first:d} AND {last:d} ORDER BY sequence"
        )

    def whole(self, pieces: Iterator[Bytes]) -> Iterator[bytes]:
        """Yield the tuples; every length in them is read."""
        return map(bytes, whole(pieces))

    def read(self, first: int, last: int) -> Iterator[bytes]:
        """Yield entries by sequence."""
        return self.whole(self.pieces(first, last))

    def chosen(self, sequences: Sequence[int]) -> Iterator[bytes]:
        """Yield some entries by sequence."""
        listed = ",".join(f"{each:d}" for each in sequences)
        query = f"SELECT {SELECTED} FROM {self._log} WHERE sequence = ANY ('{{{listed}}}'::bigint[]) ORDER BY sequence"
        return self.whole(self._session.copy(query))

    def sequence_of(self, entry: uuid.UUID) -> int | None:
        """Return the sequence of an entry."""
        rows = self._session.rows(f"SELECT sequence FROM {self._log} WHERE id = %s", (entry,))
        return int(rows[0][0]) if rows else None

    def count(self, until: int) -> int:
        """Return the number of entries up to a sequence."""
        (count,) = self._session.row(f"SELECT count(*) FROM {self._log} WHERE sequence <= {until:d}")
        return int(count)

    def exist(self, until: int) -> bool:
        """Return whether there are entries up to a sequence."""
        (found,) = self._session.row(f"SELECT EXISTS (SELECT FROM {self._log} WHERE sequence <= {until:d})")
        return bool(found)

    def key(self, key_id: str) -> uuid.UUID | None:
        """Return the id of a key."""
        rows = self._session.rows(f"SELECT id FROM ONLY {self._session.masters} WHERE key_id = %s", (key_id,))
        return rows[0][0] if rows else None

    def insert(self, values: Mapping[str, object]) -> int:
        """Write an entry; defaults and triggers set the other columns."""
        names = ", ".join(f'"{column}"' for column in values)
        places = ", ".join(["%s"] * len(values))
        rows = self._session.rows(
            f"INSERT INTO {self._session.logs} ({names}) VALUES ({places}) RETURNING sequence", tuple(values.values())
        )
        if not rows:
            raise write_discarded("key_audit_logs")
        return int(rows[0][0])
