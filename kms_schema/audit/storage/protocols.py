"""The parts of a stored audit trail, each with its functions; `postgresql` and `sqlite` implement them.

A function asks for the part that it uses: proofs read nodes of the tree, and never write. A transaction of
`transactions` has each part as an attribute: `snapshot.seals.last()`.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from kms_schema.audit.formats.encoding import Bytes
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.formats.seals import SealError, Tombstone
from kms_schema.audit.storage.records import Page, Subtree
from kms_schema.audit.storage.stored_seals import StoredSeal


class SealReader(Protocol):
    """Reads `key_audit_seals`, with the tombstones."""

    def last(self) -> StoredSeal | None:
        """Return the newest seal. Raises `SealError` if its row is not valid."""
        ...

    def get(self, number: int) -> StoredSeal | None:
        """Return the seal of this number. Raises `SealError` if its row is not valid."""
        ...

    def last_with_tombstone(self) -> StoredSeal | None:
        """Return the seal of the newest tombstone. Raises `SealError` if its row is not valid."""
        ...

    def changes_of_key(self) -> list[int]:
        """Return the numbers of the seals that announce another key, or name another than the seal before leads to."""
        ...

    def rows(self) -> Iterator[Sequence[Any]]:
        """Yield the row of every seal, oldest first, for `StoredSeal.from_row`."""
        ...


class SealStore(SealReader, Protocol):
    """Reads seals and adds new ones."""

    def append(self, seal: StoredSeal, pages: Iterable[Page], subtrees: Iterable[Subtree]) -> None:
        """Write a seal with the `pages` of its leaves and the `subtrees` that they complete."""
        ...


class NodeReader(Protocol):
    """Reads the hashes of the tree by their place in it."""

    def pages_over(self, first_leaf: int, last_leaf: int) -> list[Page]:
        """Return the pages that have leaves from `first_leaf` to `last_leaf`, in the order of the tree."""
        ...

    def subtrees_at(self, level: int, first: int, last: int) -> list[Subtree]:
        """Return the subtrees stored at a level, from position `first` to `last`, in their order."""
        ...


class PageReader(Protocol):
    """Reads the leaves by the sequences of their entries."""

    def pages_by_sequence(self, after: int, count: int) -> list[Page]:
        """Return the next pages by sequence, at most `count`, whose first is above `after`."""
        ...

    def is_cut(self, leaf_count: int, last_sequence: int) -> bool:
        """Return whether the first `leaf_count` leaves end with a page and `last_sequence`, their highest sequence."""
        ...

    def count_leaves(self, first_leaf: int, until: int) -> int:
        """Return the number of leaves from `first_leaf` on in pages that do not begin above the sequence `until`."""
        ...


class TreeReader(NodeReader, PageReader, Protocol):
    """Reads `key_audit_leaves` and `key_audit_subtrees`."""

    def pages(self, after_leaf: int, count: int) -> list[Page]:
        """Return the next pages in the order of the tree, at most `count`, from leaf `after_leaf` on."""
        ...

    def page_of_sequence(self, sequence: int) -> Page | None:
        """Return the page of this sequence: the last that does not begin above it."""
        ...

    def subtrees(self, level: int) -> Iterator[Subtree]:
        """Yield the stored subtrees of a level, by position."""
        ...

    def last_cut(self, until_leaf: int) -> tuple[int, int] | None:
        """Return the largest leaf count, with its last sequence, that `is_cut` accepts; no page is before `until_leaf`
        and after it. `until_leaf` begins a page, or ends the tree. None if there is no page before it.
        """
        ...


class EntryReader(Protocol):
    """Reads entries of `key_audit_logs` by sequence."""

    def pieces(self, first: int, last: int) -> Iterator[Bytes]:
        """Yield the bytes from which `whole` makes the entries with sequences from `first` to `last`.

        A piece is usually an entry, but nothing has checked it. A piece without the expected hash has to go through
        `whole`, and so does the rest of the stream.
        """
        ...

    def whole(self, pieces: Iterator[Bytes]) -> Iterator[bytes]:
        """Yield the entries in the rest of `pieces`, in encoding v1, by sequence. Raises `EncodingError`.

        `Unreadable` stands for an entry with a value that its column cannot have.
        """
        ...

    def read(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the entries with sequences from `first` to `last`: `whole` of `pieces`."""
        ...

    def chosen(self, sequences: Sequence[int]) -> Iterator[bytes]:
        """Yield the entries with these sequences, as `read` does; one query reads all of them."""
        ...

    def sequence_of(self, entry: uuid.UUID) -> int | None:
        """Return the sequence of the entry with this id."""
        ...

    def count(self, until: int) -> int:
        """Return the number of entries with a sequence up to `until`."""
        ...

    def exist(self, until: int) -> bool:
        """Return whether there is an entry with a sequence up to `until`."""
        ...


class UnsealedEntries(Protocol):
    """Reads the entries that no seal covers."""

    def first_id(self) -> str | None:
        """Return the id of the entry with the lowest sequence."""
        ...

    def unsealed(self, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        """Yield the visible entries above `after` and in `gaps`, at most `limit`, in encoding v1, by sequence."""
        ...

    def count_unsealed(self, after: int, gaps: Sequence[Gap]) -> int:
        """Return how many entries `unsealed` would yield without a limit."""
        ...


class LogReader(EntryReader, UnsealedEntries, Protocol):
    """Reads `key_audit_logs`."""


class EntryWriter(Protocol):
    """Writes entries as any client does."""

    def key(self, key_id: str) -> Any:
        """Return the id of a key as `insert` takes it, None if there is no key of this name."""
        ...

    def insert(self, values: Mapping[str, object]) -> int:
        """Write an entry with these columns, JSON as text, and return its sequence."""
        ...

    def read(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the entries with sequences from `first` to `last`, in encoding v1."""
        ...


class TombstoneReader(Protocol):
    """Reads `key_audit_tombstones`."""

    def newest(self) -> Tombstone | None:
        """Return the newest tombstone, which includes all earlier ones. Raises `SealError` if it is not valid."""
        ...


class TombstoneWriter(Protocol):
    """Writes `key_audit_tombstones`."""

    def write(self, seal_number: int, tombstone: Tombstone) -> None:
        """Write the tombstone of the newest seal."""
        ...


class RetentionPeriods(Protocol):
    """Reads when the retention periods of entries end, and who may remove entries then."""

    def first_retained(self, first_leaf: int) -> int | None:
        """Return the first leaf of the first page, from `first_leaf` on, with an entry whose period has not ended.

        By the database's clock. None if no entry is unsealed.
        """
        ...

    def first_left(self) -> int | None:
        """Return the lowest sequence of an entry that a tombstone names and that is not removed yet; None for none."""
        ...

    def require_privilege(self) -> None:
        """Raise `TrailError` if this role may not remove entries, or no role may in this database."""
        ...


class EntryRemover(Protocol):
    """Removes the entries that a tombstone names."""

    def remove(self) -> int:
        """Remove a batch of the entries that a tombstone names, lowest sequence first; return how many, 0 if none is
        left.

        Raises `TrailError` as `RetentionPeriods.require_privilege` does.
        """
        ...


def readable_last_seal(seals: SealReader) -> StoredSeal | None:
    """Return the newest seal, None if no seal exists or its row is not valid: verification continues without it."""
    try:
        return seals.last()
    except SealError:
        return None
