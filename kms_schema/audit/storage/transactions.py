"""The transactions on a stored audit trail; `postgresql` and `sqlite` have the transactions of each engine.

A transaction has each part of the trail as an attribute: `snapshot.seals.last()`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from kms_schema.audit.storage.entries import Entries, Retention
from kms_schema.audit.storage.errors import invalid_numbers
from kms_schema.audit.storage.records import LOWEST_NUMBERS, TransactionHorizon
from kms_schema.audit.storage.seals import Seals, Tombstones
from kms_schema.audit.storage.session import Session
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.tree import Tree


class Snapshot(ABC):
    """One consistent state of a trail, read only."""

    seals: Seals
    entries: Entries
    retention: Retention

    def __init__(self, session: Session) -> None:
        """Give access to the parts of the trail over one session."""
        self._session = session
        self.tree: Tree = Tree(session)
        self.tombstones: Tombstones = Tombstones(session)

    @abstractmethod
    def now(self) -> str:
        """Return the database's clock, as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""

    @abstractmethod
    def table(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the names of the columns and the rows of a query that reads other tables in the same snapshot."""

    @abstractmethod
    def stream(self, query: str) -> Generator[list[tuple[Any, ...]], None, None]:
        """Yield the rows of such a query in batches, of which one is in memory; other queries may run in between.

        Close it in the transaction: an error would keep it as long as its traceback, and SQLite ends no query later.
        """

    def unreachable_rows(self) -> Iterator[str]:
        """Yield a sentence about each table that has rows which no read of the trail finds, and how many.

        Their numbers are invalid, or a tombstone has no seal, whose signature would cover it. Or other tables inherit
        from the table: every other reader finds their rows. The constraints of the tables allow no such numbers; the
        owner of the tables can drop them. Reads the tables, no index.
        """
        for table, numbers in LOWEST_NUMBERS.items():
            wrong = " OR ".join(
                f"{self._is_no_number(column)} OR {column} < {least}" for column, least in numbers.items()
            )
            if table == "key_audit_tombstones":
                wrong += f" OR seal_number NOT IN (SELECT seal_number FROM {self._session.seals})"
            if found := self._count_in_table(table, wrong):
                yield invalid_numbers(table, found)
            if self._is_inherited(table):
                yield f"{table} has tables that inherit from it: readers find their rows, which are no evidence"

    def count_in_table(self, after: int) -> int:
        """Return the number of entries with a sequence above `after`, read from the table without an index."""
        return self._count_in_table("key_audit_logs", f"+sequence > {after:d}")

    @abstractmethod
    def against_time(self) -> Iterator[str]:
        """Yield a sentence about each entry whose time or id runs against the sequence.

        Nothing on PostgreSQL, where no client can choose them; kms-schema validate compares them there.
        """

    @abstractmethod
    def not_indexed(self, table: str, key: tuple[str, ...]) -> Iterator[str]:
        """Yield `key = value` of the first rows of a table that the index of `key` does not find.

        table: one of `UNIQUE_KEYS`. key: one of its keys.
        """

    @abstractmethod
    def _is_no_number(self, column: str) -> str:
        """Return the condition of a column that has no number, which the type or the constraint of a column allows."""

    @abstractmethod
    def _count_in_table(self, table: str, condition: str) -> int:
        """Return the number of such rows, read from the table without an index."""

    @abstractmethod
    def _is_inherited(self, table: str) -> bool:
        """Return whether other tables inherit from a table."""


class Transaction(Snapshot):
    """A transaction that adds seals, writes entries, or removes the entries that a tombstone names."""

    @abstractmethod
    def horizon(self) -> TransactionHorizon:
        """Return the oldest transaction that can still commit."""

    @abstractmethod
    def transaction_id(self) -> int | None:
        """Return the id of this transaction; the first call takes one above all that were given out before."""


class ExportedSnapshot(ABC):
    """A snapshot that another process can open; it can be pickled."""

    @abstractmethod
    def opened(self) -> AbstractContextManager[Snapshot]:
        """Open the snapshot, read only, with a connection of its own."""


OpenElsewhere = Callable[[ExportedSnapshot], Sequence[StoredSeal | None]]
"""Opens a snapshot in other processes, and returns the newest seal that each observed."""


class OpenTrail(ABC):
    """The trail behind an idle connection. Each transaction leaves the connection as it was.

    Every method raises `TrailError` if the database does not have the tables.
    """

    @abstractmethod
    def reading(self, open_elsewhere: OpenElsewhere | None = None) -> AbstractContextManager[Snapshot]:
        """Open a snapshot, here and, with `open_elsewhere`, in other processes.

        Raises `TrailError` if the processes cannot all have the same snapshot.
        """

    @abstractmethod
    def sealing(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that adds seals, one sealer at a time; it commits unless an exception ends the block."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Transaction]:
        """Open a transaction for entries; it commits unless an exception ends the block.

        Needs revision 004, and no seals.
        """
