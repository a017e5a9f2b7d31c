"""Workers: processes that open the exported snapshot of a trail, each with its own connection, and verify ranges of it.

Workers are new programs, not forks: they inherit no connection, and callers need no `if __name__ == "__main__"`. Orders
and answers go through pipes; `worker` is the other end.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Any, cast

from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import ExportedSnapshot, OpenTrail, Snapshot

_PROGRAM = "from kms_schema.audit.verification.worker import main; main()"
_SECONDS_TO_END = 5

END = ("end", None)
"""The last order."""


class Worker:
    """One worker process; it takes one order at a time."""

    def __init__(self) -> None:
        """Start the process."""
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        # A session of its own: Ctrl-C on the terminal reaches only the process that was called, which ends the workers.
        # -P: modules do not come from the current directory.
        self._process = subprocess.Popen(  # noqa: S603  (this interpreter, and a program that is a literal)
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        self._orders = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status, negative for a signal; None while the process runs."""
        return self._process.poll()

    def order(self, *order: object) -> None:
        """Send an order. Raises `TrailError` if the process has ended."""
        try:
            pickle.dump(order, self._orders)
            self._orders.flush()
        except (OSError, ValueError):  # the pipe is broken, or closed
            raise self._ended() from None

    def answer(self, progress: Callable[[Any], None] | None = None) -> Any:
        """Wait for the answer to an order, and pass the messages before it to `progress`.

        Raises the exception of the worker, or `TrailError` if its process has ended.
        """
        while True:
            try:
                kind, value = pickle.load(self._answers)  # noqa: S301  (the worker of this pool wrote it)
            except (EOFError, OSError, ValueError, pickle.UnpicklingError):
                raise self._ended() from None
            if kind == "raised":
                raise value
            if kind == "done":
                return value
            if progress is not None:
                progress(value)

    def _ended(self) -> TrailError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_END)
        return TrailError(
            f"a worker ended before its range was verified, with exit status {self._process.returncode}: nothing is"
            " verified, run this again"
        )

    def end(self) -> None:
        """Order the end, so that the transaction is closed, and wait for it."""
        with suppress(TrailError):
            self.order(*END)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_SECONDS_TO_END)
        self.kill()

    def hang_up(self) -> None:
        """Close the pipe of orders, and wait: the worker ends by itself, as it does if this process dies."""
        self._orders.close()
        self._process.wait(_SECONDS_TO_END)

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._orders, self._answers):
            with suppress(OSError):
                pipe.close()


class WorkerPool:
    """Workers that have opened the same snapshot."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        """Take workers that have been started."""
        self.workers = workers

    def open(self, snapshot: ExportedSnapshot) -> list[StoredSeal | None]:
        """Open a new snapshot in every worker; return the newest seal that each worker observes.

        Raises the exception of a worker.
        """
        for worker in self.workers:
            worker.order("open", snapshot)
        return [worker.answer() for worker in self.workers]

    def kill(self) -> None:
        """End all workers at once."""
        for worker in self.workers:
            worker.kill()


@contextmanager
def started(count: int) -> Iterator[WorkerPool]:
    """Start a number of workers; none is left at the end of the block, also after an exception."""
    with ExitStack() as stack:
        workers = []
        for _ in range(count):
            worker = Worker()
            stack.callback(worker.kill)
            workers.append(worker)
        yield WorkerPool(workers)
        for worker in workers:
            worker.end()


@contextmanager
def open_snapshot(trail: OpenTrail, jobs: int = 1) -> Iterator[tuple[Snapshot, WorkerPool | None]]:
    """Open one snapshot in `jobs` processes, this one among them; yield it, and the workers that have it too.

    `jobs` is at least 1; there are no workers for 1. Every worker has its own connection, and ends with the block.
    Raises `TrailError` if the processes cannot all have the same snapshot: a database in memory, or a SQLite file that
    is written each time that they open it. Example::

        with open_snapshot(open_trail(connection), jobs=4) as (snapshot, workers):
            result = verify(snapshot, workers=workers)
    """
    if jobs == 1:
        with trail.reading() as snapshot:
            yield snapshot, None
        return
    with started(jobs - 1) as workers, trail.reading(workers.open) as snapshot:
        yield snapshot, workers
