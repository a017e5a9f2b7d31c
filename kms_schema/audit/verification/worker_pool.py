"""Processes that read one state of a trail beside this one, each with a connection of its own.

They are programs of their own, not forks, so that they inherit no connection, and whoever calls needs no guard around
the main module. What they are told and answer goes through pipes; `reading_process` is the other end.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Any

from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.trail import TrailError
from kms_schema.audit.verification.exported_snapshot import State

_PROGRAM = "from kms_schema.audit.verification.worker import main; main()"
_SECONDS_TO_END = 5

END = ("end", None)
"""The last order."""


class Process:
    """A process that reads; ask it one thing at a time."""

    def __init__(self) -> None:
        """Start it."""
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        # A session of its own: Ctrl-C on the terminal is for the process that was called, which then ends the others.
        # -P: the folder that one happens to be in is not where modules come from.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout  # noqa: S101, PT018  (both are pipes)
        self._orders: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """With what it ended, negative for a signal; None while it runs."""
        return self._process.poll()

    def tell(self, *order: object) -> None:
        """Send an order. Raises `TrailError` where the process is gone."""
        try:
            pickle.dump(order, self._orders)
            self._orders.flush()
        except (OSError, ValueError):  # its pipe is broken, or closed
            raise self._gone() from None

    def answer(self, told: Callable[[Any], None] | None = None) -> Any:
        """Wait for the answer; what comes before it is for `told`. Raises what was raised in the process, and
        `TrailError` where it is gone.
        """
        while True:
            try:
                kind, value = pickle.load(self._answers)  # noqa: S301  (a process of ours wrote it)
            except (EOFError, OSError, ValueError, pickle.UnpicklingError):
                raise self._gone() from None
            if kind == "raised":
                raise value
            if kind == "done":
                return value
            if told is not None:
                told(value)

    def _gone(self) -> TrailError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_END)
        return TrailError(
            "a process that read a part of the trail ended in the midst of it, with exit status"
            f" {self._process.returncode}: nothing is verified, run this again"
        )

    def end(self) -> None:
        """Let it end its transaction, and wait for that."""
        with suppress(TrailError):
            self.tell(*END)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_SECONDS_TO_END)
        self.kill()

    def hang_up(self) -> None:
        """Close the pipe that it listens to, and wait: it ends by itself, as it does when this process dies."""
        self._orders.close()
        self._process.wait(_SECONDS_TO_END)

    def kill(self) -> None:
        """End it whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._orders, self._answers):
            with suppress(OSError):
                pipe.close()


class Processes:
    """Processes that have opened the same state."""

    def __init__(self, processes: Sequence[Process]) -> None:
        """Take processes that have been started."""
        self.each = processes

    def open(self, state: State) -> list[StoredSeal | None]:
        """Let each open a state, instead of one that it had open before; return what is the newest seal to each.

        They have opened it when this returns. Raises what was raised there.
        """
        for process in self.each:
            process.tell("open", state)
        return [process.answer() for process in self.each]

    def kill(self) -> None:
        """End all of them, whatever they do."""
        for process in self.each:
            process.kill()


@contextmanager
def started(count: int) -> Iterator[Processes]:
    """Start so many processes; in the end none of them is left, whatever happens."""
    with ExitStack() as stack:
        processes = []
        for _ in range(count):
            process = Process()
            stack.callback(process.kill)
            processes.append(process)
        yield Processes(processes)
        for process in processes:
            process.end()
