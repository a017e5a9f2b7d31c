"""The transactions on a trail in SQLite."""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.records import LISTED, LOWEST_NUMBERS, TransactionHorizon
from kms_schema.audit.storage.seals import Seals
from kms_schema.audit.storage.sqlite.entries import SqliteEntries, SqliteRetention
from kms_schema.audit.storage.sqlite.session import SqliteSession
from kms_schema.audit.storage.sqlite_values import AGAINST_TIME, text_as_stored
from kms_schema.audit.storage.transactions import ExportedSnapshot, OpenElsewhere, OpenTrail, Transaction
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS
from kms_schema.reading.times import SQLITE_NOW

_ATTEMPTS = 20
"""How often several processes try to open the same state of the file."""

_BATCH = 5000
"""Rows of a stream that are in memory."""

_IN_NO_INDEX = {
    "key_audit_logs": "event_description",
    "key_audit_seals": "origin",
    "key_audit_leaves": "hashes",
    "key_audit_subtrees": "hash",
    "key_audit_tombstones": "archive_sha256",
}
"""A column of each table that only the table has: SQLite reads an index instead, also for NOT INDEXED."""


class SqliteTransaction(Transaction):
    """One transaction, as it was begun."""

    def __init__(self, session: SqliteSession) -> None:
        """Give access to every part over one session."""
        super().__init__(session)
        self.session: SqliteSession = session
        self.seals: Seals = Seals(session)
        self.entries: SqliteEntries = SqliteEntries(session)
        self.retention: SqliteRetention = SqliteRetention(session)

    def horizon(self) -> TransactionHorizon:
        """Return the horizon of SQLite: no other transaction can commit."""
        return TransactionHorizon(None, None)

    def transaction_id(self) -> None:
        """Return None: transactions have no ids."""

    def now(self) -> str:
        """Return the database's clock, which counts milliseconds."""
        (text,) = self.session.row(f"SELECT {SQLITE_NOW}")
        return str(text)

    def table(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        rows = self.session.rows(query)
        return [column[0] for column in self.session.cursor.description], rows

    def stream(self, query: str) -> Generator[list[tuple[Any, ...]], None, None]:
        with closing(self.session.cursor.connection.cursor()) as cursor:
            cursor.row_factory = None
            cursor.execute(query)
            while rows := cursor.fetchmany(_BATCH):
                yield rows

    def against_time(self) -> Iterator[str]:
        """Yield the entries whose times a connection chose, or that were written after the clock was set back."""
        for entry_id, sequence, problem in self.session.entries_cursor.execute(f"{AGAINST_TIME} ORDER BY sequence"):
            yield f"the entry {entry_id} (sequence {sequence}) {problem}"

    def not_indexed(self, table: str, key: tuple[str, ...]) -> Iterator[str]:
        """Look up each row of the table; one whose key is the primary key is looked up in the table itself."""
        named = " || ', ' || ".join(f"'{column} ' || scanned.{column}" for column in key)
        found = " AND ".join(f"indexed.{column} = scanned.{column}" for column in key)
        rows = self.session.rows(
            f"SELECT {named} FROM main.{table} AS scanned WHERE typeof({_IN_NO_INDEX[table]}) <> '' AND NOT EXISTS"
            f" (SELECT 1 FROM main.{table} AS indexed WHERE {found})"
            f" ORDER BY {', '.join(f'scanned.{column} + 0' for column in key)} LIMIT {LISTED}"
        )
        yield from (str(row[0]) for row in rows)

    def _is_no_number(self, column: str) -> str:
        return f"typeof({column}) <> 'integer'"

    def _count_in_table(self, table: str, condition: str) -> int:
        query = f"SELECT count(*) FROM main.{table} WHERE typeof({_IN_NO_INDEX[table]}) <> '' AND ({condition})"
        (found,) = self.session.row(query)
        return int(found)

    def _is_inherited(self, table: str) -> bool:
        del table
        return False


@contextmanager
def snapshot_within(connection: sqlite3.Connection) -> Iterator[SqliteTransaction]:
    """Give access to the trail within the transaction that a connection is in, which goes on."""
    cursor, entries_cursor = connection.cursor(), connection.cursor()
    cursor.row_factory = entries_cursor.row_factory = None
    text_factory = connection.text_factory
    connection.text_factory = text_as_stored
    try:
        session = SqliteSession(cursor, entries_cursor)
        session.require(*LOWEST_NUMBERS)
        yield SqliteTransaction(session)
    finally:
        connection.text_factory = text_factory


class OpenSqliteTrail(OpenTrail):
    """Transactions on the trail behind an idle sqlite3 connection."""

    def __init__(self, connection: sqlite3.Connection, *, immutable: bool = False) -> None:
        """Raise `TrailError` for a connection in a transaction."""
        if connection.in_transaction:
            raise TrailError("the connection is in a transaction; give an idle connection")
        self._connection = connection
        self._immutable = immutable

    @contextmanager
    def sealing(self) -> Iterator[SqliteTransaction]:
        with self._transaction("BEGIN IMMEDIATE", *LOWEST_NUMBERS) as transaction:
            yield transaction

    @contextmanager
    def reading(self, open_elsewhere: OpenElsewhere | None = None) -> Iterator[SqliteTransaction]:
        """Open a snapshot; other processes open the file again until no commit comes in between."""
        if open_elsewhere is None:
            with self._transaction("BEGIN", *LOWEST_NUMBERS) as transaction:
                yield transaction
            return
        processes = 1
        with closing(_CommitWatch(self._connection, immutable=self._immutable)) as watch:
            for _ in range(_ATTEMPTS):
                before = watch.version()
                # Requiring the tables is the first read: from here on this transaction has one state.
                with self._transaction("BEGIN", *LOWEST_NUMBERS) as transaction:
                    observed = open_elsewhere(SqliteFile(watch.path, self._immutable))
                    processes = 1 + len(observed)
                    seals = {transaction.seals.readable_last(), *observed}
                    if len(seals) == 1 and watch.version() == before:
                        yield transaction
                        return
        raise TrailError(f"the file was written each time that {processes} processes opened it: verify it with one job")

    @contextmanager
    def writing(self) -> Iterator[SqliteTransaction]:
        with self._transaction("BEGIN IMMEDIATE", "key_audit_logs") as transaction:
            yield transaction

    @contextmanager
    def _transaction(self, begin: str, *tables: str) -> Iterator[SqliteTransaction]:
        cursor, entries_cursor = self._connection.cursor(), self._connection.cursor()
        cursor.row_factory = entries_cursor.row_factory = None
        text_factory = self._connection.text_factory
        self._connection.text_factory = text_as_stored
        session = SqliteSession(cursor, entries_cursor)
        try:
            cursor.execute(begin)
            try:
                session.require(*tables)
                yield SqliteTransaction(session)
            except BaseException:
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")
        finally:
            self._connection.text_factory = text_factory


@dataclass(frozen=True)
class SqliteFile(ExportedSnapshot):
    """A file: `OpenSqliteTrail.reading` finds out whether all processes have one state of it."""

    path: str
    immutable: bool = False

    @contextmanager
    def opened(self) -> Iterator[SqliteTransaction]:
        with (
            closing(_read_only(self.path, immutable=self.immutable)) as connection,
            OpenSqliteTrail(connection).reading() as transaction,
        ):
            yield transaction


class _CommitWatch:
    """Detects whether anybody has committed to a file between two reads, which a read transaction cannot see."""

    def __init__(self, connection: sqlite3.Connection, *, immutable: bool) -> None:
        """Watch the main database of a connection. Raises `TrailError` if it is in no file."""
        self.path = next(row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main")
        if not self.path:
            raise TrailError("a database in memory can be read by one process only: leave the number of jobs out")
        self._connection = _read_only(self.path, immutable=immutable)

    def version(self) -> int:
        """Return a number that changes with each commit to the file."""
        ((version,),) = self._connection.execute("PRAGMA main.data_version")
        return int(version)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _read_only(path: str, *, immutable: bool) -> sqlite3.Connection:
    uri = f"file:{quote(path)}?mode=ro{'&immutable=1' * immutable}"
    return sqlite3.connect(uri, uri=True, timeout=LOCK_WAIT_SECONDS, isolation_level=None)
