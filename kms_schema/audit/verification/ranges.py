"""Verifies entries in ranges of sequences, which several workers take in turn; the result is that of one process."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from kms_schema.audit.formats.checkpoints import LARGEST
from kms_schema.audit.storage.transactions import Snapshot
from kms_schema.audit.storage.tree import Tree
from kms_schema.audit.verification.result import Tell, VerificationResult
from kms_schema.audit.verification.verify_entries import EntryVerification
from kms_schema.audit.verification.worker_pool import Worker, WorkerPool

SMALLEST = 65_536
"""The fewest sequences of a range: sending a smaller one to a worker costs more than it saves."""
RANGES_EACH = 8
"""Ranges for each process, so that none waits long for the last one."""
_SECONDS = 0.1
"""How often progress is reported while workers are waited for."""

Verified = tuple[VerificationResult, int]
"""The result of a range, and the sequence that the next one has to begin with."""
Verify = Callable[["Range", Callable[[int], None]], Verified]
"""Verifies a range, and reports how many of its entries are done."""


@dataclass(frozen=True)
class Range:
    """The sequences above `after` and up to `until`, of the entries after the seal `since`."""

    since: int | None
    after: int
    until: int


def verify_range(snapshot: Snapshot, part: Range, tell: Tell) -> Verified:
    """Verify the entries of the range `part` in a snapshot of this process; `tell` receives the progress."""
    result = VerificationResult()
    start = None if part.since is None else snapshot.seals.get(part.since)
    verification = EntryVerification(snapshot, result, start, snapshot.seals.readable_last(), tell)
    return result, verification.verify(part.after, part.until)


def plan_ranges(pages: Tree, since: int | None, after: int, last: int, jobs: int) -> list[Range]:
    """Divide the sequences above `after`, of which `last` is the last sealed one, into ranges that begin with a page.

    pages: of the snapshot. since: the seal to start from, if any. jobs: the number of processes.
    """
    size = max(SMALLEST, (last - after) // (jobs * RANGES_EACH) + 1)
    ends = [after]
    for aim in range(after + size, last, size):
        if aim > ends[-1] and (page := pages.pages_by_sequence(aim, 1)):
            ends.append(page[0].first_sequence - 1)
    return [Range(since, *bounds) for bounds in pairwise([*ends, LARGEST])]


class SharedRanges:
    """Ranges that the workers and this process take in turn."""

    def __init__(self, snapshot: Snapshot, ranges: Sequence[Range], tell: Tell) -> None:
        """Take the ranges, in their order, and the snapshot of this process."""
        self._snapshot, self._tell, self._ranges = snapshot, tell, ranges
        self._left = deque(enumerate(ranges))
        self._counts: dict[int, int] = {}
        self._verified: dict[int, Verified] = {}
        self._futures: list[Future[None]] = []

    def verify(self, workers: WorkerPool, meanwhile: Callable[[Tell], None]) -> list[VerificationResult] | None:
        """Return the result of each range, in their order; this process runs `meanwhile` before it takes ranges.

        Returns None if a page has entries of the next range: the verification of that range cannot know of it, so one
        process has to verify all. Raises an exception of any process, after ending all workers.
        """
        with ThreadPoolExecutor(len(workers.workers)) as pool:
            try:
                self._futures += [pool.submit(self._take, partial(_order, worker)) for worker in workers.workers]
                meanwhile(self._tell_and_check)
                self._take(self._verify_here)
                while wait(self._futures, _SECONDS).not_done:
                    self._report()
                self._report()
            except BaseException:
                self._left.clear()
                workers.kill()
                raise
        verified = [self._verified[number] for number in range(len(self._ranges))]
        if any(reached > part.until + 1 for part, (_, reached) in zip(self._ranges, verified, strict=True)):
            return None
        return [result for result, _ in verified]

    def _take(self, verify: Verify) -> None:
        """Verify ranges until none is left."""
        while self._left:
            try:
                number, part = self._left.popleft()
            except IndexError:
                return  # another thread took the last one
            self._verified[number] = verify(part, partial(self._counts.__setitem__, number))

    def _verify_here(self, part: Range, progress: Callable[[int], None]) -> Verified:
        def tell(_: str, count: int) -> None:
            progress(count)
            self._report()

        return verify_range(self._snapshot, part, tell)

    def _tell_and_check(self, what: str, count: int) -> None:
        self._tell(what, count)
        self._raise_from_workers()

    def _report(self) -> None:
        self._tell("entries", sum(tuple(self._counts.values())))
        self._raise_from_workers()

    def _raise_from_workers(self) -> None:
        for future in self._futures:
            if future.done():
                future.result()


def _order(worker: Worker, part: Range, progress: Callable[[int], None]) -> Verified:
    worker.order("verify", part)
    verified: Verified = worker.answer(progress)
    return verified
