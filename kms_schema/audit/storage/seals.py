"""The seals of a trail and their tombstones, on both engines."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from kms_schema.audit.formats.encoding import EncodingError
from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.storage.records import Page, Subtree
from kms_schema.audit.storage.session import Session
from kms_schema.audit.storage.stored_seals import StoredSeal

COLUMNS = (
    "seal_number", "origin", "sealed_at", "tree_size", "root_hash", "previous_seal_hash", "verifier_key", "signature",
    "next_key", "compact_range", "last_sequence", "open_gaps", "snapshot_xmax", "system_identifier",
)  # fmt: skip
"""The columns of `key_audit_seals`, in the order of `StoredSeal`."""

_BATCH = 1000
_CHANGES_OF_KEY = """SELECT seal_number FROM (
    SELECT seal_number, verifier_key, next_key,
        lag(coalesce(next_key, verifier_key)) OVER (ORDER BY seal_number) AS expected
    FROM {seals}
) AS chained
WHERE next_key IS NOT NULL OR expected <> coalesce(verifier_key, '') ORDER BY seal_number"""


def _tombstones(session: Session) -> str:
    """Return the query of tombstones, whose columns have other names than those of a seal."""
    return (
        "SELECT seal_number, leaf_count AS tombstone_leaf_count, last_sequence AS tombstone_last_sequence,"
        f" archive_sha256 FROM {session.tombstones}"
    )


class Seals:
    """Reads and writes `key_audit_seals`, with the tombstones."""

    selected: ClassVar[str] = ", ".join(COLUMNS)
    """The columns as a query selects them."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._session = session
        self._query = (
            f"SELECT {self.selected}, tombstone_leaf_count, tombstone_last_sequence, archive_sha256"
            f" FROM {session.seals} LEFT JOIN ({_tombstones(session)}) AS tombstone USING (seal_number)"
        )

    def last(self) -> StoredSeal | None:
        """Return the newest seal. Raises `EncodingError` if its row is not valid."""
        return self._one("ORDER BY seal_number DESC LIMIT 1")

    def readable_last(self) -> StoredSeal | None:
        """Return the newest seal, None if no seal exists or its row is not valid: verification continues without it."""
        try:
            return self.last()
        except EncodingError:
            return None

    def get(self, number: int) -> StoredSeal | None:
        """Return the seal of this number. Raises `EncodingError` if its row is not valid."""
        return self._one(f"WHERE seal_number = {number:d}")

    def last_with_tombstone(self) -> StoredSeal | None:
        """Return the seal of the newest tombstone. Raises `EncodingError` if its row is not valid."""
        return self._one("WHERE tombstone.archive_sha256 IS NOT NULL ORDER BY seal_number DESC LIMIT 1")

    def changes_of_key(self) -> list[int]:
        """Return the numbers of the seals that announce another key, or name another than the seal before leads to."""
        return [row[0] for row in self._session.rows(_CHANGES_OF_KEY.format(seals=self._session.seals))]

    def rows(self) -> Iterator[Sequence[Any]]:
        """Yield the row of every seal, oldest first, for `StoredSeal.from_row`; other queries may run in between."""
        number = 0
        integer = self._session.if_integer("seal_number")
        while rows := self._session.rows(
            f"{self._query} WHERE seal_number > {number:d}{integer} ORDER BY seal_number LIMIT {_BATCH}"
        ):
            yield from map(self._with_texts, rows)
            number = rows[-1][0]

    def append(self, seal: StoredSeal, pages: Iterable[Page], subtrees: Iterable[Subtree]) -> None:
        """Write a seal with the `pages` of its leaves and the `subtrees` that they complete.

        The guard triggers require the seal before its pages, and these before the next seal.
        """
        self._session.insert("key_audit_seals", dict(zip(COLUMNS, seal.row(), strict=True)))
        self._session.insert_nodes(
            "key_audit_leaves",
            "first_leaf, first_sequence, hashes",
            [(page.first_leaf, page.first_sequence, page.hashes) for page in pages],
        )
        self._session.insert_nodes(
            "key_audit_subtrees",
            "level, position, hash",
            [(subtree.level, subtree.position, subtree.hash) for subtree in subtrees],
        )

    def _one(self, condition: str) -> StoredSeal | None:
        rows = self._session.rows(f"{self._query} {condition}")
        return StoredSeal.from_row(self._with_texts(rows[0])) if rows else None

    def _with_texts(self, row: Sequence[Any]) -> Sequence[Any]:
        """Return a row of `selected` with its texts."""
        return row


class Tombstones:
    """Reads and writes `key_audit_tombstones`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._session = session

    def newest(self) -> Tombstone | None:
        """Return the newest tombstone, which includes all earlier ones. Raises `EncodingError` if it is not valid.

        It is one of a seal, whose signature covers it: nothing covers one without a seal.
        """
        of_seals = f"WHERE seal_number IN (SELECT seal_number FROM {self._session.seals})"
        rows = self._session.rows(f"{_tombstones(self._session)} {of_seals} ORDER BY seal_number DESC LIMIT 1")
        return Tombstone(*rows[0][1:]) if rows else None

    def write(self, seal_number: int, tombstone: Tombstone) -> None:
        """Write the tombstone of the newest seal."""
        row = {
            "seal_number": seal_number,
            "leaf_count": tombstone.leaf_count,
            "last_sequence": tombstone.last_sequence,
            "archive_sha256": tombstone.archive_sha256,
        }
        self._session.insert("key_audit_tombstones", row)
