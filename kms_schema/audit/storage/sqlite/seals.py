"""The seals of a trail in SQLite."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kms_schema.audit.storage.errors import write_discarded
from kms_schema.audit.storage.records import CHANGES_OF_KEY, Page, Subtree
from kms_schema.audit.storage.sqlite.session import Session
from kms_schema.audit.storage.sqlite.tombstones import TOMBSTONES
from kms_schema.audit.storage.stored_seals import StoredSeal

_SEAL = (
    "seal_number, origin, sealed_at, tree_size, root_hash, previous_seal_hash, verifier_key, signature, next_key,"
    " compact_range, last_sequence, open_gaps, snapshot_xmax, system_identifier"
)
_SEALS = (
    f"SELECT {_SEAL}, tombstone_leaf_count, tombstone_last_sequence, archive_sha256"
    f" FROM main.key_audit_seals LEFT JOIN ({TOMBSTONES}) AS tombstone USING (seal_number)"
)


class SqliteSeals:
    """Reads and writes `key_audit_seals`: `SealStore`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._cursor = session.cursor

    def last(self) -> StoredSeal | None:
        """Return the newest seal."""
        row = self._cursor.execute(f"{_SEALS} ORDER BY seal_number DESC LIMIT 1").fetchone()
        return None if row is None else StoredSeal.from_row(row)

    def get(self, number: int) -> StoredSeal | None:
        """Return one seal."""
        row = self._cursor.execute(f"{_SEALS} WHERE seal_number = ?", (number,)).fetchone()
        return None if row is None else StoredSeal.from_row(row)

    def last_with_tombstone(self) -> StoredSeal | None:
        """Return the seal of the newest tombstone."""
        query = f"{_SEALS} WHERE archive_sha256 IS NOT NULL ORDER BY seal_number DESC LIMIT 1"
        row = self._cursor.execute(query).fetchone()
        return None if row is None else StoredSeal.from_row(row)

    def changes_of_key(self) -> list[int]:
        """Return the seals at which the key changes."""
        return [row[0] for row in self._cursor.execute(CHANGES_OF_KEY.format(seals="main.key_audit_seals")).fetchall()]

    def rows(self) -> Iterator[Sequence[Any]]:
        """Yield the rows of seals, one query each: the cursor is free for others in between."""
        number = 0
        query = f"{_SEALS} WHERE seal_number > ? AND typeof(seal_number) = 'integer' ORDER BY seal_number LIMIT 1"
        while row := self._cursor.execute(query, (number,)).fetchone():
            yield row
            number = row[0]

    def append(self, seal: StoredSeal, pages: Iterable[Page], subtrees: Iterable[Subtree]) -> None:
        """Write a seal; its guard triggers require it before its pages, and these before the next seal."""
        row = seal.row()
        self._cursor.execute(f"INSERT INTO main.key_audit_seals ({_SEAL}) VALUES ({', '.join('?' * len(row))})", row)
        if self._cursor.rowcount != 1:
            raise write_discarded("key_audit_seals")
        self._write(
            "key_audit_leaves (first_leaf, first_sequence, hashes)",
            [(page.first_leaf, page.first_sequence, page.hashes) for page in pages],
        )
        self._write(
            "key_audit_subtrees (level, position, hash)",
            [(subtree.level, subtree.position, subtree.hash) for subtree in subtrees],
        )

    def _write(self, table: str, rows: Sequence[tuple[int, int, bytes]]) -> None:
        if rows:
            self._cursor.executemany(f"INSERT INTO main.{table} VALUES (?, ?, ?)", rows)
            if self._cursor.rowcount != len(rows):
                raise write_discarded(table.partition(" ")[0])
