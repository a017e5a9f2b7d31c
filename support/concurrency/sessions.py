"""Sessions on PostgreSQL whose statements run in threads, so that a test can observe lock waits."""

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self

import psycopg

from support.concurrency.statements import Statement
from support.engines.database import Database
from support.statements import execute

PATIENCE_SECONDS = 20
"""How long anything may take before the test fails; locks and statements give up earlier, on the server."""


class Session:
    """One client in a transaction that has taken its snapshot."""

    def __init__(self, database: Database, isolation: str) -> None:
        """Connect and begin at `isolation`."""
        connection = database.connect()
        assert isinstance(connection, psycopg.Connection)
        self.connection = connection
        self.error: psycopg.Error | None = None
        self._aside = ThreadPoolExecutor(max_workers=1)
        self._statement: Future[Any] | None = None
        connection.execute("SET lock_timeout = '10s'")
        connection.execute("SET statement_timeout = '15s'")
        connection.execute(f"BEGIN ISOLATION LEVEL {isolation}".encode())
        connection.execute("SELECT count(*) FROM key_masters")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Give up what is still running and disconnect."""
        if self._statement is not None and not self._statement.done():
            self.connection.cancel_safe()
            wait([self._statement], timeout=PATIENCE_SECONDS)
        self._aside.shutdown()
        self.connection.close()

    def start(self, statement: Statement, observer: psycopg.Connection[Any]) -> bool:
        """Run the statement until it ends or waits for another session; return True if it waits."""
        self._statement = self._aside.submit(execute, self.connection, statement.sql, statement.parameters)
        pid = self.connection.info.backend_pid
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._statement.done():
            row = observer.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", (pid,)).fetchone()
            if row is not None and row[0]:
                return True
            assert time.monotonic() < deadline, f"neither done nor waiting: {statement.sql}"
            wait([self._statement], timeout=0.002)
        return False

    def finish(self) -> psycopg.Error | None:
        """Wait for the statement to end; return its error, if any."""
        assert self._statement is not None, "start a statement first"
        error = self._statement.exception(timeout=PATIENCE_SECONDS)
        assert error is None or isinstance(error, psycopg.Error), error
        self.error = error
        return error

    def commit(self) -> bool:
        """Finish the statement, end the transaction and return True if it committed."""
        if self.finish() is not None:
            self.roll_back()
            return False
        self.connection.execute("COMMIT")
        return True

    def roll_back(self) -> None:
        """Roll back the finished statement."""
        self.connection.execute("ROLLBACK")


def commit_as_they_end(sessions: Sequence[Session]) -> list[bool]:
    """Commit each session when its statement has ended, as clients do, and return which committed."""
    committed: dict[Session, bool] = {}
    while left := {each._statement: each for each in sessions if each._statement and each not in committed}:
        ended, _ = wait(left, timeout=PATIENCE_SECONDS, return_when=FIRST_COMPLETED)
        assert ended, "each that is left waits"
        committed |= {left[each]: left[each].commit() for each in ended}
    return [committed[each] for each in sessions]
