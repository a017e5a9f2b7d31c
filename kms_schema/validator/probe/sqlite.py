"""The transactions of a probe on SQLite: one with the default settings, one with those of the package.

Each takes the write lock at its beginning and holds it for about a second. Nothing is committed; the next connection
rolls back the journal of a killed probe.
"""

import datetime as dt
import json
import sqlite3
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kms_schema.reading.times import time_to_text
from kms_schema.validator.catalog.attributes import UnreadableError
from kms_schema.validator.probe.attempt import Engine, Statement
from kms_schema.validator.probe.session import Circumstance, Refusal

LOCK_SECONDS = 1
"""How long the probe waits for another writer."""

_SETTINGS = {
    Circumstance("foreign_keys and recursive_triggers off", foreign_keys=False): (0, 0),
    Circumstance("foreign_keys and recursive_triggers on"): (1, 1),
}
_KEPT = ("foreign_keys", "recursive_triggers", "ignore_check_constraints", "busy_timeout")


class SqliteSession:
    """One connection, in a transaction per circumstance; made by `probing`."""

    engine: Engine = "sqlite"
    version = 0
    is_owner = True
    """Everyone who can write the file can do anything."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        """Take a cursor of an idle connection."""
        self._cursor = cursor
        self.circumstance: Circumstance = Circumstance("")
        self._checks_ignored = False

    def circumstances(self) -> Generator[Circumstance, None, None]:
        """Yield each circumstance, in a transaction of its own: foreign_keys changes only between transactions."""
        for circumstance, (foreign_keys, recursive_triggers) in _SETTINGS.items():
            self._cursor.execute(f"PRAGMA foreign_keys = {foreign_keys}")
            self._cursor.execute(f"PRAGMA recursive_triggers = {recursive_triggers}")
            self._cursor.execute("PRAGMA ignore_check_constraints = 0")
            self._begin()
            try:
                self.circumstance = circumstance
                yield circumstance
            finally:
                if self._cursor.connection.in_transaction:
                    self._cursor.execute("ROLLBACK")

    def _begin(self) -> None:
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
            self._cursor.execute("DELETE FROM main.key_audit_logs WHERE false")  # a file that is read-only says so here
        except sqlite3.OperationalError as error:
            reason = str(error)
            if "no such table" in reason:
                return
            if "locked" in reason:
                reason = f"another connection was writing for {LOCK_SECONDS} second ({reason})"
            raise UnreadableError(reason) from None

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Open a savepoint that is rolled back whatever happens."""
        self._cursor.execute("SAVEPOINT kms_probe")
        try:
            yield
        finally:
            if self._checks_ignored:  # setting it makes the library recompile every statement
                self._cursor.execute("PRAGMA ignore_check_constraints = 0")
                self._checks_ignored = False
            self._cursor.execute("ROLLBACK TO SAVEPOINT kms_probe")
            self._cursor.execute("RELEASE SAVEPOINT kms_probe")

    def run(self, statement: Statement) -> Refusal | None:
        """Run a statement; the savepoint rolls back the changes of a failed one."""
        try:
            self._execute(statement).fetchall()
        except sqlite3.Error as error:
            message = str(error)
            return Refusal(message, message, None, isinstance(error, sqlite3.IntegrityError))
        return None

    def answer(self, question: Statement) -> Sequence[Any]:
        """Return the one row of a question."""
        return self._execute(question).fetchone() or ()

    def ignore_checks(self) -> None:
        """Ignore CHECK constraints, as any client can."""
        self._cursor.execute("PRAGMA ignore_check_constraints = 1")
        self._checks_ignored = True

    def _execute(self, statement: Statement) -> sqlite3.Cursor:
        values = {name: _adapted(value) for name, value in statement.values.items()}
        return self._cursor.execute(statement.text.replace("{schema}.", "main."), values)


@contextmanager
def probing(connection: sqlite3.Connection, schema: str = "main") -> Iterator[SqliteSession]:
    """Use an idle connection, and restore its settings."""
    del schema  # SQLite has one: main
    cursor = connection.cursor()
    cursor.row_factory = None
    before = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in _KEPT}
    cursor.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}")
    try:
        yield SqliteSession(cursor)
    finally:
        for name, value in before.items():
            cursor.execute(f"PRAGMA {name} = {value}")


def _adapted(value: Any) -> Any:
    match value:
        case uuid.UUID():
            return value.hex
        case dt.datetime():
            return time_to_text(value)
        case dict() | list():
            return json.dumps(value)
        case bool():
            return int(value)
    return value
