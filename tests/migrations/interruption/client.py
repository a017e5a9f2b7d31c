"""A client that migrates, stopped after each of its statements: to be let on, or to be killed there."""

import signal
from collections.abc import Iterator
from contextlib import closing
from typing import Protocol, Self

from support.engines import Database
from tests.migrations.interruption import program
from tests.migrations.interruption.program import Words
from tests.migrations.interruption.wire import Moment, Wire

SECONDS = 120


class Client(Protocol):
    """A process that migrates a database."""

    def __enter__(self) -> Self:
        """Return the client."""

    def __exit__(self, *_error: object) -> None:
        """Leave no process behind."""

    def statements(self) -> Iterator[str]:
        """Yield each statement when it was executed and the client does not know yet."""

    def kill(self) -> bool:
        """`kill -9` it; whether that is what it died of."""

    def ended(self) -> tuple[int, str]:
        """Wait for its end; return its exit status and what it said about its failure, if it failed."""


class _Process:
    """The process of a client."""

    def __init__(self, url: str, words: Words, *, hosts_engine: bool = False) -> None:
        self.process, self.pipe = program.start(url, words, hosts_engine=hosts_engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.join(SECONDS)
        self.pipe.close()

    def kill(self) -> bool:
        self.process.kill()
        self.process.join(SECONDS)
        return self.process.exitcode == -signal.SIGKILL

    def ended(self) -> tuple[int, str]:
        try:
            said = self.pipe.recv()
        except EOFError:
            said = ""
        self.process.join(SECONDS)
        assert self.process.exitcode is not None
        return self.process.exitcode, said


class SqliteClient(_Process):
    """A client of SQLite, which asks for leave after each statement."""

    def statements(self) -> Iterator[str]:
        while True:
            try:
                statement = self.pipe.recv()
            except EOFError:
                return
            yield statement
            self.pipe.send("go on")


class PostgresqlClient(_Process):
    """A client of PostgreSQL, with the wire to its server."""

    def __init__(self, url: str, words: Words) -> None:
        self.wire = Wire(url)
        super().__init__(self.wire.url, words)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.wire.close()

    def moments(self) -> Iterator[tuple[Moment, str]]:
        return self.wire.statements()

    def statements(self) -> Iterator[str]:
        for moment, statement in self.moments():
            if moment is Moment.EXECUTED:
                yield statement

    def kill(self) -> bool:
        killed = super().kill()
        self.wire.close()  # what the operating system does for a dead process
        return killed

    def terminate_backend(self, database: Database) -> bool:
        """Terminate its server process, and see it go; the client never gets the answer to its last statement."""
        self.wire.answer_is_lost = True
        with closing(database.connect()) as administrator:
            row = administrator.execute(f"SELECT pg_terminate_backend({self.wire.backend_pid})").fetchone()
        return row == (True,)
