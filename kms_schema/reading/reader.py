"""Runs the queries of a package on a connection of psycopg or sqlite3, and converts their values."""

import datetime as dt
import json
import sqlite3
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from typing import Any, TypeVar

from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.reading.queries import Queries
from kms_schema.reading.times import time_to_text

_Row = TypeVar("_Row")


class Reader:
    """The queries of a package on one connection, whose transactions and settings are the caller's."""

    def __init__(
        self,
        connection: DatabaseConnection,
        schema: str,
        queries: Queries,
        *,
        prepare: bool | None = None,
    ) -> None:
        """Take a connection, the schema of the tables on PostgreSQL, unquoted, and the queries.

        `prepare` is psycopg's: False plans each query for its values, however often it runs.
        """
        self.connection: Any = connection
        self.name: str = schema
        """The schema, unquoted."""
        self.on_sqlite: bool = isinstance(connection, sqlite3.Connection)
        self.engine: str = "sqlite" if self.on_sqlite else "postgresql"
        self._queries, self._prepare = queries, prepare
        self._streams: list[Generator[tuple[Any, ...], None, None]] = []

    def rows(self, query: str, words: Mapping[str, str | int] = {}, /, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows of the query of this name, as tuples.

        - `words`: SQL for the words of the query, as for `Queries.render`
        - `values`: times, ids and lists as Python has them
        """
        with closing(self.execute(query, words, **values)) as cursor:
            return list(cursor.fetchall())

    def row(self, query: str, words: Mapping[str, str | int] = {}, /, **values: object) -> tuple[Any, ...] | None:
        """Return the first row of a query, None if it has none."""
        return next(iter(self.rows(query, words, **values)), None)

    def dicts(self, query: str, words: Mapping[str, str | int] = {}, /, **values: object) -> list[dict[str, Any]]:
        """Return the rows of a query by column name."""
        with closing(self.execute(query, words, **values)) as cursor:
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def changed(self, query: str, /, **values: object) -> int:
        """Return the number of rows that a statement changes."""
        with closing(self.execute(query, **values)) as cursor:
            return int(cursor.rowcount)

    def read(self, kind: Callable[..., _Row], query: str, /, **values: object) -> list[_Row]:
        """Return the rows of a query as objects, such as `NamedTuple`, which take the columns in their order."""
        return [kind(*row) for row in self.rows(query, **values)]

    def stream(self, query: str, words: Mapping[str, str | int] = {}, /, **values: object) -> Iterator[tuple[Any, ...]]:
        """Return the rows of a query while they are read, for queries with many rows. Its `close` ends the query."""
        self._streams.append(self._rows_one_by_one(query, words, **values))
        return self._streams[-1]

    def close(self) -> None:
        """End the streams whose rows were not all read: PostgreSQL takes no other statement before, SQLite none after.

        An error keeps them alive as long as its traceback, which can be longer than the connection.
        """
        for each in self._streams:
            each.close()

    def _rows_one_by_one(
        self, query: str, words: Mapping[str, str | int], /, **values: object
    ) -> Generator[tuple[Any, ...], None, None]:
        if self.on_sqlite:
            with closing(self.execute(query, words, **values)) as cursor:
                yield from cursor
            return
        with closing(self.cursor()) as cursor:
            yield from cursor.stream(self.text(query, **words).encode(), values)

    def execute(self, query: str, words: Mapping[str, str | int] = {}, /, **values: object) -> Any:
        """Run a query, and return the cursor of the driver; its rows are tuples."""
        text = self.text(query, **words)
        if self.on_sqlite:
            return self.cursor().execute(text, {name: sqlite_value(value) for name, value in values.items()})
        return self.cursor().execute(text.encode(), values or None, prepare=self._prepare)

    def text(self, query: str, /, **words: str | int) -> str:
        """Return the query of this name as it runs here."""
        return self._queries.render(query, self.engine, self.name, **words)

    def cursor(self) -> Any:
        """Return a cursor whose rows are tuples, whatever rows the connection itself returns."""
        cursor = self.connection.cursor()
        cursor.row_factory = None if self.on_sqlite else tuple_row
        return cursor


def tuple_row(_cursor: Any) -> Any:
    """Make rows plain tuples: `psycopg.rows.tuple_row`, without an import of psycopg."""
    return tuple


def sqlite_value(value: object) -> object:
    """Return a value as SQLite has it: times as text, ids as 32 digits, lists as JSON."""
    if isinstance(value, dt.datetime):
        return time_to_text(value)
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, list):
        return json.dumps([sqlite_value(each) for each in value])
    return value


def id_of(stored: Any) -> uuid.UUID:
    """Return an id of a row: psycopg returns a UUID, SQLite has 32 digits."""
    return stored if isinstance(stored, uuid.UUID) else uuid.UUID(stored)


def document_of(stored: Any) -> Mapping[str, Any]:
    """Return a document of a row, empty for another value: psycopg has read it, SQLite has text."""
    try:
        found = json.loads(stored or "{}") if isinstance(stored, str | None) else stored
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
