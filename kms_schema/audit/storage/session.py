"""One transaction on the tables of a trail: their names, and how each engine runs statements.

Numbers stand in the text of a query, which both engines write alike; other values are passed beside it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from kms_schema.audit.storage.errors import write_discarded
from kms_schema.audit.storage.records import LOWEST_NUMBERS


class Session(ABC):
    """The statements of one transaction that has begun."""

    place: ClassVar[str]
    """The place of a value in a statement."""
    logs: str
    seals: str
    leaves: str
    subtrees: str
    tombstones: str

    def __init__(self, schema: str, only: str = "") -> None:
        """Name the tables of a quoted schema; `only` precedes the names of those that are read."""
        self.schema = schema
        self.logs, self.seals, self.leaves, self.subtrees, self.tombstones = (
            f"{only}{schema}.{table}" for table in LOWEST_NUMBERS
        )
        self.masters: str = f"{only}{schema}.key_masters"

    @abstractmethod
    def rows(self, query: str, values: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""

    def row(self, query: str) -> tuple[Any, ...]:
        """Return the only row of a query that has exactly one."""
        (row,) = self.rows(query)
        return row

    @abstractmethod
    def execute(self, query: str, values: tuple[Any, ...] = ()) -> int:
        """Run a statement that writes, with values; return the number of rows that it wrote."""

    @abstractmethod
    def insert_nodes(self, table: str, columns: str, rows: Sequence[tuple[int, int, bytes]]) -> None:
        """Insert rows of the tree. Raises `TrailError` if a trigger discards one."""

    @abstractmethod
    def if_integer(self, column: str) -> str:
        """Return the condition, after others, that a number of a table is one: not every engine requires it."""

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        """Insert a row, by its columns. Raises `TrailError` if a trigger discards it."""
        places = ", ".join([self.place] * len(row))
        statement = f"INSERT INTO {self.schema}.{table} ({', '.join(row)}) VALUES ({places})"
        if self.execute(statement, tuple(row.values())) != 1:
            raise write_discarded(table)
