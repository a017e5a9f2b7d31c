"""What sealing and verifying need of a database; `postgresql_trail` and `sqlite_trail` are the two of them."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kms_schema.audit.formats.encoding import Bytes
from kms_schema.audit.formats.gaps import Gap, Run
from kms_schema.audit.formats.seals import SealError, Tombstone
from kms_schema.audit.storage.stored_seals import StoredSeal

if TYPE_CHECKING:
    from kms_schema.audit.verification.worker_pool import Processes


class TrailError(Exception):
    """The trail cannot be read or sealed; the message says what to do."""


def not_there(table: str) -> TrailError:
    """Return what to say of a database without a table that is asked for."""
    return TrailError(
        f"there is no table {table}: bring the database up to date (kms-schema upgrade), or name its schema (--schema)"
    )


def not_a_table(name: str) -> TrailError:
    """Return what to say of a view, or anything else that can show each reader something else."""
    return TrailError(f"{name} is not a plain table, so what it shows is not what is kept: run kms-schema validate")


def swallowed(table: str) -> TrailError:
    """Return what to say where a statement wrote fewer rows than it was given, and the database said nothing."""
    return TrailError(
        f"a trigger or a rule swallows what is written to {table}: nothing was written; run kms-schema validate"
    )


SUBTREE_LEVELS = range(8, 64, 8)
"""Levels of the tree whose full nodes are kept, in `key_audit_subtrees`."""

NUMBERED = {
    "key_audit_logs": {"sequence": 1},
    "key_audit_seals": {"seal_number": 1},
    "key_audit_leaves": {"first_leaf": 0, "first_sequence": 1},
    "key_audit_subtrees": {"level": SUBTREE_LEVELS.start, "position": 0},
    "key_audit_tombstones": {"seal_number": 1, "leaf_count": 1, "last_sequence": 1},
}
"""The columns that rows are found by, and the lowest number of each."""


@dataclass(frozen=True)
class Page:
    """A row of `key_audit_leaves`: the hashes of consecutive sequences within one seal, 32 bytes each."""

    first_leaf: int
    first_sequence: int
    hashes: bytes

    @property
    def whole(self) -> bool:
        """Whether it can be a page: an owner can take the rules of the table out."""
        numbers = type(self.first_leaf) is type(self.first_sequence) is int
        return numbers and type(self.hashes) is bytes and len(self.hashes) % 32 == 0 < len(self.hashes)

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return len(self.hashes) // 32

    @property
    def leaves(self) -> Iterator[bytes]:
        """Its hashes, one by one."""
        return (self.hashes[at : at + 32] for at in range(0, len(self.hashes), 32))

    @property
    def run(self) -> Run:
        """The sequences of its entries."""
        return Run(self.first_sequence, self.first_sequence + self.size - 1)


@dataclass(frozen=True)
class Subtree:
    """A row of `key_audit_subtrees`."""

    level: int
    position: int
    hash: bytes


@dataclass(frozen=True)
class Moment:
    """What the database says of its transactions; on SQLite, where writers take turns, nothing is ever open."""

    xmin: int | None
    """The lowest id of a transaction that is not over."""
    system_identifier: str | None


class Trail(Protocol):
    """The trail of one database within one transaction."""

    others: "Processes | None"
    """Processes that have opened the same state."""

    def moment(self) -> Moment:
        """Return what is going on now."""
        ...

    def transaction_id(self) -> int | None:
        """Return the id of this transaction; when first asked for, it is above all that were given out before."""
        ...

    def now(self) -> str:
        """Return the database's clock, as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
        ...

    def last_seal(self) -> StoredSeal | None:
        """Return the newest seal."""
        ...

    def seal(self, number: int) -> StoredSeal | None:
        """Return the seal of this number."""
        ...

    def first_entry_id(self) -> str | None:
        """Return the id of the entry with the lowest sequence."""
        ...

    def unsealed(self, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        """Yield what is visible of the entries above `after` and in `gaps`, in encoding v1, by sequence."""
        ...

    def count_unsealed(self, after: int, gaps: Sequence[Gap]) -> int:
        """Return how many entries `unsealed` would yield without a limit."""
        ...

    def append(self, seal: StoredSeal, pages: Iterable[Page], subtrees: Iterable[Subtree]) -> None:
        """Write a seal with what it is over."""
        ...

    def seals(self) -> Iterator[StoredSeal]:
        """Yield every seal, oldest first. Raises `SealError` at one that cannot be read."""
        ...

    def seal_rows(self) -> Iterator[Sequence[Any]]:
        """Yield the row of every seal, oldest first, for `StoredSeal.from_row`."""
        ...

    def pages(self, after_leaf: int, count: int) -> list[Page]:
        """Return the next pages in the order of the tree, at most `count`, from leaf `after_leaf` on."""
        ...

    def pages_by_sequence(self, after: int, count: int) -> list[Page]:
        """Return the next pages by sequence, at most `count`, whose first is above `after`."""
        ...

    def page_of_sequence(self, sequence: int) -> Page | None:
        """Return the page that has this sequence, if one does: the last that does not begin above it."""
        ...

    def pages_over(self, first_leaf: int, last_leaf: int) -> list[Page]:
        """Return the pages that have leaves from `first_leaf` to `last_leaf`, in the order of the tree."""
        ...

    def pieces(self, first: int, last: int) -> Iterator[Bytes]:
        """Yield what `whole` makes the entries with sequences from `first` to `last` of.

        A piece is an entry as a rule, and nothing has looked at it: what does not have the hash that is expected of
        it has to go through `whole`, and so has what is left in the end.
        """
        ...

    def whole(self, pieces: Iterator[Bytes]) -> Iterator[bytes]:
        """Yield the entries that `pieces` has from there on, in encoding v1, by sequence. Raises `EncodingError`.

        `Unreadable` stands for one with a value that is none of its column.
        """
        ...

    def entries(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the entries with sequences from `first` to `last`: `whole` of `pieces`."""
        ...

    def subtrees(self, level: int) -> Iterator[Subtree]:
        """Yield the subtrees of a level that are kept, by position."""
        ...

    def strays(self) -> Iterator[tuple[str, int]]:
        """Yield tables, and how many rows of them have no number that is in order, so that no walk comes across them.

        The rules of the tables allow none; an owner can take the rules out.
        """
        ...

    def tombstone(self) -> Tombstone | None:
        """Return the newest tombstone, which is for what all earlier ones were for as well. Raises `SealError`."""
        ...

    def has_entries(self, until: int) -> bool:
        """Say whether there is an entry with a sequence up to `until`."""
        ...

    def count_entries(self, until: int) -> int:
        """Return how many entries have a sequence up to `until`."""
        ...

    def divides(self, leaf_count: int, last_sequence: int) -> bool:
        """Say whether the first `leaf_count` leaves are whole pages, and are the entries up to `last_sequence`."""
        ...

    def end_of_expired(self) -> int | None:
        """Return the sequence of the first entry that is to be kept for longer, by the database's clock."""
        ...

    def division(self, after_leaf: int, until: int) -> tuple[int, int] | None:
        """Return the largest leaf count and last sequence that divide the trail, above one and up to the other."""
        ...

    def bury(self, seal_number: int, tombstone: Tombstone) -> None:
        """Write the tombstone of the newest seal."""
        ...

    def demand_removal(self) -> None:
        """Raise `TrailError` where this role may not remove entries, or nobody may in this database."""
        ...

    def remove_expired(self) -> int:
        """Remove some of the entries that a tombstone is for, the oldest first; return how many, 0 where none is left.

        Raises `TrailError` where this role may not, or nobody may in this database.
        """
        ...

    def subtrees_at(self, level: int, first: int, last: int) -> list[Subtree]:
        """Return those kept at a level, from position `first` to `last`, in their order."""
        ...

    def sequence_of(self, entry: uuid.UUID) -> int | None:
        """Return the sequence of the entry with this id."""
        ...

    def key(self, key_id: str) -> Any:
        """Return the id of a key as `insert` takes it, None where there is no key of this name."""
        ...

    def insert(self, values: Mapping[str, object]) -> int:
        """Write an entry with these columns, JSON as text, and return its sequence."""
        ...


def readable_last_seal(trail: Trail) -> StoredSeal | None:
    """Return the newest seal, None where there is none or it cannot be read: a verification goes on without it."""
    try:
        return trail.last_seal()
    except SealError:
        return None


class OpenTrail(Protocol):
    """Opens the trail behind an idle connection, and leaves the connection as it was."""

    def sealing(self) -> AbstractContextManager[Trail]:
        """Open a transaction that is committed, and that only one sealer has at a time."""
        ...

    def reading(self, jobs: int = 1) -> AbstractContextManager[Trail]:
        """Open one snapshot, read only, in as many processes as there are jobs, this one among them.

        Raises `TrailError` where they cannot all have the same.
        """
        ...

    def writing(self) -> AbstractContextManager[Trail]:
        """Open a transaction that is committed, for entries; it works before there are seals, from revision 004 on."""
        ...
