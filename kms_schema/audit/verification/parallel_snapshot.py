"""Opens one snapshot of a trail in this process and in workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from kms_schema.audit.storage.transactions import OpenTrail, Snapshot
from kms_schema.audit.verification.worker_pool import WorkerPool, started


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
