"""Processes: clients that work until they are told to stop, and commands that are killed on their way.

They are forked from this one, which has no connection open then: the start of an interpreter for each would take most
of the time of a small run.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import sqlalchemy as sa

from kms_schema import cli
from support.interrupted import Statements

_READY = b"!"
for _command in ("keys.destroy_version", "keys.reencrypt", "rotations.running"):
    import_module(f"kms_schema.cli.{_command}")  # a forked command finds its modules imported
Watch = Callable[[Callable[[], None]], Any]
"""Called in a process with a function that says that its moment to be killed has come."""


@dataclass(frozen=True)
class Process:
    """A forked process, and the end of the pipe that it writes to."""

    pid: int
    pipe: int

    def end(self, number: int = signal.SIGTERM) -> dict[str, Any]:
        """Send a signal, and return the document that the process writes at its end.

        Raises `RuntimeError` if it ends without one.
        """
        os.kill(self.pid, number)
        written = self.read()
        if not written:
            raise RuntimeError("a process ended without its result")
        document: dict[str, Any] = json.loads(written)
        return document

    def read(self) -> bytes:
        """Return what the process writes until it ends, and wait for it."""
        with os.fdopen(self.pipe, "rb") as pipe:
            written = pipe.read()
        os.waitpid(self.pid, 0)
        return written


def start(work: Callable[[Callable[[], bool]], dict[str, Any]]) -> Process:
    """Call `work` in a process of its own. It returns a document when the function it is given returns True.

    That is after SIGTERM, and when this process is gone.
    """

    def child(write: Callable[[bytes], object]) -> int:
        parent, told = os.getppid(), []
        signal.signal(signal.SIGTERM, lambda *_: told.append(True))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells it
        write(json.dumps(work(lambda: bool(told) or os.getppid() != parent)).encode())
        return 0

    return _forked(child)


@dataclass(frozen=True)
class Ended:
    """The end of a command."""

    status: int | None
    """None if it was killed."""
    said: str
    seconds: float


def run(words: Sequence[str], output: Path, watch: Watch | None = None, *, waits: bool = False) -> Ended:
    """Run `kms-schema WORDS`, and kill it with SIGKILL when `watch` says so.

    The command goes on until the signal arrives, or waits for it there if `waits`. Its output goes to `output`.
    """

    def child(write: Callable[[bytes], object]) -> int:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for standard in (1, 2):
            os.dup2(file, standard)

        def now() -> None:
            write(_READY)
            while waits:
                signal.pause()

        if watch is not None:
            watch(now)
        return cli.run(words)

    began = time.monotonic()
    process = _forked(child)
    with os.fdopen(process.pipe, "rb") as pipe:
        is_ready = pipe.read(1) == _READY
    if is_ready:
        os.kill(process.pid, signal.SIGKILL)
    _, status = os.waitpid(process.pid, 0)
    said = output.read_text(encoding="utf-8", errors="replace")
    return Ended(None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), said, time.monotonic() - began)


def at_statement(number: int) -> Watch:
    """Return what stops a command before one of its statements; those of triggers count on SQLite."""
    return lambda now: Statements(sa.Pool, number, lambda _connection: now())


def at_commit(number: int) -> Watch:
    """Return what has a command killed from a commit on."""

    def watch(now: Callable[[], None]) -> None:
        count = iter(range(1, number + 1))

        @sa.event.listens_for(sa.Engine, "commit")
        def committed(_connection: sa.Connection) -> None:
            if next(count, 0) == number:
                now()

    return watch


def counting(into: Path) -> Watch:
    """Return what writes the number of statements of a command to a file when it closes its connections."""

    def watch(_now: Callable[[], None]) -> None:
        statements = Statements(sa.Pool)
        sa.event.listen(sa.Pool, "close", lambda *_: into.write_text(str(statements.count)))

    return watch


def _forked(work: Callable[[Callable[[bytes], object]], int]) -> Process:
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        _end_with(work, reader, writer)
    os.close(writer)
    return Process(pid, reader)


def _end_with(work: Callable[[Callable[[bytes], object]], int], reader: int, writer: int) -> NoReturn:
    status = 1
    try:
        os.close(reader)
        status = work(lambda written: os.write(writer, written))
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001  (a child never goes on with what its parent does)
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)
