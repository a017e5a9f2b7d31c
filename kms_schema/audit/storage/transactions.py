"""The transactions on a stored audit trail: which parts of it each one gives access to."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from kms_schema.audit.storage.protocols import (
    EntryRemover,
    EntryWriter,
    LogReader,
    RetentionPeriods,
    SealReader,
    SealStore,
    TombstoneReader,
    TombstoneWriter,
    TreeReader,
    UnsealedEntries,
)
from kms_schema.audit.storage.records import TransactionHorizon
from kms_schema.audit.storage.stored_seals import StoredSeal


class Snapshot(Protocol):
    """One consistent state of a trail, read only."""

    @property
    def seals(self) -> SealReader:
        """The seals."""
        ...

    @property
    def tree(self) -> TreeReader:
        """The leaves and subtrees."""
        ...

    @property
    def entries(self) -> LogReader:
        """The audit log."""
        ...

    @property
    def tombstones(self) -> TombstoneReader:
        """The tombstones."""
        ...

    @property
    def retention(self) -> RetentionPeriods:
        """The retention periods of the entries."""
        ...

    def now(self) -> str:
        """Return the database's clock, as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
        ...

    def table(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the names of the columns and the rows of a query that reads other tables in the same snapshot."""
        ...

    def stream(self, query: str) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of such a query in batches, of which one is in memory; other queries may run in between."""
        ...

    def unreachable_rows(self) -> Iterator[str]:
        """Yield a sentence about each table that has rows which no read of the trail finds, and how many.

        Their numbers are invalid, or a tombstone has no seal, whose signature would cover it. Or other tables inherit
        from the table: every other reader finds their rows. The constraints of the tables allow no such numbers; the
        owner of the tables can drop them. Reads the tables, no index.
        """
        ...

    def count_in_table(self, after: int) -> int:
        """Return the number of entries with a sequence above `after`, read from the table without an index."""
        ...

    def against_time(self) -> Iterator[str]:
        """Yield a sentence about each entry whose time or id runs against the sequence.

        Nothing on PostgreSQL, where no client can choose them; kms-schema validate compares them there.
        """
        ...

    def not_indexed(self, table: str, key: tuple[str, ...]) -> Iterator[str]:
        """Yield `key = value` of the first rows of a table that the index of `key` does not find.

        table: one of `UNIQUE_KEYS`. key: one of its keys.
        """
        ...


class SealingTransaction(Protocol):
    """A transaction that adds seals; one sealer has it at a time."""

    @property
    def seals(self) -> SealStore:
        """The seals."""
        ...

    @property
    def entries(self) -> UnsealedEntries:
        """The entries that no seal covers."""
        ...

    @property
    def tombstones(self) -> TombstoneWriter:
        """The tombstones."""
        ...

    def horizon(self) -> TransactionHorizon:
        """Return the oldest transaction that can still commit."""
        ...

    def transaction_id(self) -> int | None:
        """Return the id of this transaction; the first call takes one above all that were given out before."""
        ...

    def now(self) -> str:
        """Return the database's clock, as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
        ...


class WritingTransaction(Protocol):
    """A transaction that writes entries, or removes those that a tombstone names."""

    @property
    def entries(self) -> EntryWriter:
        """The audit log."""
        ...

    @property
    def retention(self) -> EntryRemover:
        """The removal of expired entries."""
        ...


class ExportedSnapshot(Protocol):
    """A snapshot that another process can open; it can be pickled."""

    def opened(self) -> AbstractContextManager[Snapshot]:
        """Open the snapshot with a connection of its own."""
        ...


OpenElsewhere = Callable[[ExportedSnapshot], Sequence[StoredSeal | None]]
"""Opens a snapshot in other processes, and returns the newest seal that each observed."""


class OpenTrail(Protocol):
    """The trail behind an idle connection. Each transaction leaves the connection as it was.

    Every method raises `TrailError` if the database does not have the tables.
    """

    def reading(self, open_elsewhere: OpenElsewhere | None = None) -> AbstractContextManager[Snapshot]:
        """Open a snapshot, here and, with `open_elsewhere`, in other processes.

        Raises `TrailError` if the processes cannot all have the same snapshot.
        """
        ...

    def sealing(self) -> AbstractContextManager[SealingTransaction]:
        """Open a transaction that adds seals; it commits at the end of the block."""
        ...

    def writing(self) -> AbstractContextManager[WritingTransaction]:
        """Open a transaction for entries; it commits at the end of the block. Needs revision 004, and no seals."""
        ...
