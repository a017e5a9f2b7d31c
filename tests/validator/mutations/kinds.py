"""What a kind of mutation is: a statement with gaps, which each row of the catalog that it fits fills in."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from support.engines.database import Connection

Row = Mapping[str, Any]
"""What is known of one object: `key` as the validator calls it, and names and definitions for use in statements."""
Rows = Mapping[str, list[Row]]
"""The rows of a database by what they are about, such as `columns`."""


def always(_row: Row) -> bool:
    return True


TUNING = "info or warning"
"""The severity of tuning: a warning where the package itself has set another value."""


@dataclass(frozen=True)
class Kind:
    """One way in which objects of one kind drift."""

    name: str
    of: str
    """The rows that it is tried on."""
    change: str | Callable[[Row], str]
    """SQL with `{gaps}`, or what makes SQL of a row."""
    where: Callable[[Row], bool] = always
    names: str = "{key}"
    """The object that the finding must name."""
    severity: str = "error"
    manual: bool = False
    """Whether no SQL can put it right, as the finding then has to say."""
    undo: str = ""
    """What takes back that part of it which outlives the database."""
    reconnects: bool = False
    """Whether only new sessions see it."""
    since: int = 0
    """The first major version of PostgreSQL that can do this."""
    until: int = 99
    """The last one."""


THIS_DATABASE = "name_of_the_throwaway_copy"
"""Stands for the name of the database, which is known when it has been made."""


@dataclass(frozen=True)
class Mutation:
    """One kind of drift on one object."""

    kind: Kind
    names: str
    change: str
    undo: str = ""

    def in_database(self, name: str) -> Self:
        """Return it for the database of this name."""
        here = (text.replace(THIS_DATABASE, name) for text in (self.names, self.change, self.undo))
        return type(self)(self.kind, *here)


def mutations(kinds: Iterable[Kind], rows: Rows) -> Iterator[Mutation]:
    """Yield every kind on every object that it fits."""
    for kind in kinds:
        for row in rows[kind.of]:
            if kind.where(row):
                change = kind.change(row) if callable(kind.change) else kind.change.format_map(row)
                yield Mutation(kind, kind.names.format_map(row), change, kind.undo.format_map(row))


def run(connection: Connection, statements: str) -> None:
    """Run one statement or several, as they are written; `;;` parts what must not be in one transaction."""
    if isinstance(connection, sqlite3.Connection):
        connection.executescript(statements)
        return
    for part in statements.split(";;"):
        connection.execute(part.encode())
