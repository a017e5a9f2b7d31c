"""Runs the queries of the rules over one snapshot, on a connection that may have a transaction open."""

import datetime as dt
import json
import sqlite3
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from kms_schema.audit.anomalies.dialects import POSTGRESQL, SQLITE, Dialect
from kms_schema.audit.storage.errors import TrailError, missing_table
from kms_schema.audit.storage.row_security import going_by_policies
from kms_schema.audit.storage.sqlite_texts import text_as_stored
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS, limits
from kms_schema.sql import fill, query_beside
from kms_schema.text.identifiers import quoted

if TYPE_CHECKING:
    import psycopg

_LOG = "key_audit_logs"
_IDLE = 0
"""psycopg's `TransactionStatus.IDLE`; psycopg is not imported for SQLite."""


class LogReader(Protocol):
    """One snapshot of the audit log and of the rows that its entries are about."""

    def rows(self, name: str, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows of the query of this name. Times are aware, ids are `uuid.UUID`, documents are read."""
        ...

    def stream(self, name: str, **values: object) -> Iterator[tuple[Any, ...]]:
        """Yield the same rows as they are read, for queries whose rows can be many; read them to the end."""
        ...

    def time(self, stored: Any) -> dt.datetime:
        """Return a time that a query returned."""
        ...

    def row_id(self, stored: Any) -> uuid.UUID:
        """Return an id that a query returned."""
        ...

    def document(self, stored: Any) -> Mapping[str, Any]:
        """Return a document that a query returned, empty for another value."""
        ...


@contextmanager
def reading(connection: "psycopg.Connection[Any] | sqlite3.Connection", schema: str) -> Iterator[LogReader]:
    """Open a snapshot, or use that of the transaction that is open; leave the connection as it was."""
    if isinstance(connection, sqlite3.Connection):
        with _reading_sqlite(connection) as reader:
            yield reader
    else:
        with _reading_postgresql(connection, schema) as reader:
            yield reader


@cache
def query_text(name: str, dialect: Dialect, prefix: str) -> str:
    """Return the query of this name for an engine; `prefix` stands before the names of tables, as `public.`."""
    return fill(query_beside(__file__, name).replace("{schema}.", prefix), **dialect.words)


class _PostgresqlReader:
    def __init__(self, cursor: "psycopg.Cursor[tuple[Any, ...]]", schema: str) -> None:
        self._cursor, self._prefix = cursor, f"{quoted(schema)}."
        self._streamed: Iterator[tuple[Any, ...]] = iter(())

    def rows(self, name: str, **values: object) -> list[tuple[Any, ...]]:
        self._cursor.execute(query_text(name, POSTGRESQL, self._prefix).encode(), values, prepare=False)
        return self._cursor.fetchall()

    def stream(self, name: str, **values: object) -> Iterator[tuple[Any, ...]]:
        self._streamed = self._cursor.stream(query_text(name, POSTGRESQL, self._prefix).encode(), values)
        yield from self._streamed

    def close(self) -> None:
        """End a query whose rows were not all read: the connection takes no other statement before."""
        if isinstance(self._streamed, Generator):
            self._streamed.close()

    def time(self, stored: Any) -> dt.datetime:
        found: dt.datetime = stored
        return found.astimezone(dt.UTC)

    def row_id(self, stored: Any) -> uuid.UUID:
        found: uuid.UUID = stored
        return found

    def document(self, stored: Any) -> Mapping[str, Any]:
        return stored if isinstance(stored, dict) else {}


class _SqliteReader:
    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def rows(self, name: str, **values: object) -> list[tuple[Any, ...]]:
        return list(self.stream(name, **values))

    def stream(self, name: str, **values: object) -> Iterator[tuple[Any, ...]]:
        given = {each: sqlite_value(value) for each, value in values.items()}
        with closing(self._cursor.connection.cursor()) as cursor:
            cursor.row_factory = None
            yield from cursor.execute(query_text(name, SQLITE, "main."), given)

    def time(self, stored: Any) -> dt.datetime:
        return dt.datetime.fromisoformat(stored)

    def row_id(self, stored: Any) -> uuid.UUID:
        return uuid.UUID(stored)

    def document(self, stored: Any) -> Mapping[str, Any]:
        try:
            found = json.loads(stored or "{}")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def sqlite_value(value: object) -> object:
    """Return a value as SQLite has it: times as text, lists as JSON."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(value) if isinstance(value, list) else value


@contextmanager
def _reading_sqlite(connection: sqlite3.Connection) -> Iterator[LogReader]:
    cursor = connection.cursor()
    cursor.row_factory = None
    text_factory, begins = connection.text_factory, not connection.in_transaction
    connection.text_factory = text_as_stored
    try:
        if begins:
            cursor.execute("BEGIN")
        try:
            if not cursor.execute("SELECT 1 FROM main.sqlite_master WHERE name = ?", (_LOG,)).fetchall():
                raise missing_table(_LOG)
            yield _SqliteReader(cursor)
        finally:
            if begins and connection.in_transaction:
                cursor.execute("ROLLBACK")
    finally:
        connection.text_factory = text_factory


# Entries of some days look up rows by id: to hash all keys and versions of a large database takes longer.
_SETTINGS = (
    "SET LOCAL row_security = off; SET LOCAL jit = off; SET LOCAL client_encoding = 'UTF8';"
    " SET LOCAL DateStyle = 'ISO'; SET LOCAL random_page_cost = 1.1; SET LOCAL work_mem = '64MB';"
    " SET LOCAL search_path = pg_catalog, pg_temp"
)
_VISIBLE = """SELECT to_regclass(%(name)s) IS NULL,
    current_setting('row_security') = 'off' AND row_security_active(to_regclass(%(name)s)::oid)"""
"""Two truth values: the log is missing; row-level security leaves out a part of it, unless its policies show all."""


@contextmanager
def _reading_postgresql(connection: "psycopg.Connection[Any]", schema: str) -> Iterator[LogReader]:
    with _transaction(connection), connection.cursor() as cursor:
        cursor.row_factory = _tuple_row
        cursor.execute(f"SAVEPOINT kms_anomalies; {_SETTINGS}".encode(), prepare=False)
        try:
            cursor.execute(going_by_policies(schema).encode(), prepare=False)
            name = f"{quoted(schema)}.{_LOG}"
            cursor.execute(_VISIBLE.encode(), {"name": name}, prepare=False)
            is_missing, is_partial = cursor.fetchall()[0]
            if is_missing:
                raise missing_table(f"{schema}.{_LOG}")
            if is_partial:
                raise TrailError(
                    "row-level security shows this role a part of the audit log, and anomalies would be missed:"
                    " run this as a member of kms_auditor"
                )
            with closing(_PostgresqlReader(cursor, schema)) as reader:
                yield reader
        finally:
            if not connection.closed:
                cursor.execute(b"ROLLBACK TO SAVEPOINT kms_anomalies; RELEASE SAVEPOINT kms_anomalies", prepare=False)


def _tuple_row(_cursor: Any) -> Any:
    """Make rows plain tuples, whatever the connection has: `psycopg.rows.tuple_row`."""
    return tuple


@contextmanager
def _transaction(connection: "psycopg.Connection[Any]") -> Iterator[None]:
    """Open a transaction that only reads, if none is open."""
    if connection.info.transaction_status != _IDLE:
        yield
        return
    autocommit = connection.autocommit
    connection.autocommit = True
    try:
        begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {limits(LOCK_WAIT_SECONDS)}"
        connection.execute(begin.encode(), prepare=False)
        try:
            yield
        finally:
            if not connection.closed:
                connection.execute(b"ROLLBACK", prepare=False)
    finally:
        if not connection.closed:
            connection.autocommit = autocommit
