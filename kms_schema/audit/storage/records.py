"""Rows of the Merkle tree's tables, and the state of a database's transactions."""

from collections.abc import Iterator
from dataclasses import dataclass

from kms_schema.audit.formats.gaps import Run

SUBTREE_LEVELS = range(8, 64, 8)
"""Levels of the tree whose full nodes are stored, in `key_audit_subtrees`."""

LOWEST_NUMBERS = {
    "key_audit_logs": {"sequence": 1},
    "key_audit_seals": {"seal_number": 1},
    "key_audit_leaves": {"first_leaf": 0, "first_sequence": 1},
    "key_audit_subtrees": {"level": SUBTREE_LEVELS.start, "position": 0},
    "key_audit_tombstones": {"seal_number": 1, "leaf_count": 1, "last_sequence": 1},
}
"""The columns that find a row of each table, with their lowest values."""

LISTED = 20
"""The most rows that are named if there are more."""

UNIQUE_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "key_audit_logs": (("sequence",),),
    "key_audit_seals": (("seal_number",),),
    "key_audit_leaves": (("first_leaf",), ("first_sequence",)),
    "key_audit_subtrees": (("level", "position"),),
    "key_audit_tombstones": (("seal_number",),),
}
"""The columns by which each table is read; a unique index finds each row by them."""


@dataclass(frozen=True)
class Page:
    """A row of `key_audit_leaves`: the hashes of consecutive sequences within one seal, 32 bytes each."""

    first_leaf: int
    first_sequence: int
    hashes: bytes

    @property
    def whole(self) -> bool:
        """True if a page can have these values: the owner of the table can drop its constraints."""
        numbers = type(self.first_leaf) is type(self.first_sequence) is int
        return numbers and type(self.hashes) is bytes and len(self.hashes) % 32 == 0 < len(self.hashes)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self.hashes) // 32

    @property
    def leaves(self) -> Iterator[bytes]:
        """The hashes, one by one."""
        return (self.hashes[at : at + 32] for at in range(0, len(self.hashes), 32))

    @property
    def run(self) -> Run:
        """The sequences of the entries."""
        return Run(self.first_sequence, self.first_sequence + self.size - 1)


@dataclass(frozen=True)
class Subtree:
    """A row of `key_audit_subtrees`."""

    level: int
    position: int
    hash: bytes


@dataclass(frozen=True)
class TransactionHorizon:
    """The oldest transaction that can still commit; 0 on SQLite, where writers take turns."""

    xmin: int | None
    """The lowest id of a transaction that is not over."""
    system_identifier: str | None
    """The cluster that gave the id."""
