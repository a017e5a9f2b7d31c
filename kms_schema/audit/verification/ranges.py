"""The walk by sequence in parts, which several processes take in turn; what they find is what one would find."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from kms_schema.audit.formats.checkpoints import LARGEST
from kms_schema.audit.storage.trail import Trail, readable_last_seal
from kms_schema.audit.verification.result import Verdict
from kms_schema.audit.verification.verify_entries import EntriesWalk, Tell
from kms_schema.audit.verification.worker_pool import Process, Processes

LEAST = 65_536
"""Sequences of a part, at the least: one smaller is not worth telling another process of."""
PARTS_EACH = 8
"""Parts that there are for each process, so that none waits long for the last one."""
_SECONDS = 0.1
"""How often it is told how far all are, while they are waited for."""

Found = tuple[Verdict, int]
"""What is wrong in a part, and the sequence that the next one has to begin with."""
Taker = Callable[["Part", Callable[[int], None]], Found]
"""Verifies a part, and tells how many entries of it have been."""


@dataclass(frozen=True)
class Part:
    """The sequences above `after` and up to `until`, of what came after the seal `since`."""

    since: int | None
    after: int
    until: int


def verify_part(trail: Trail, part: Part, tell: Tell) -> Found:
    """Verify a part, in whichever process."""
    verdict = Verdict()
    start = None if part.since is None else trail.seal(part.since)
    walk = EntriesWalk(trail, verdict, start, readable_last_seal(trail), tell)
    return verdict, walk.walk(part.after, part.until)


def planned(trail: Trail, since: int | None, after: int, last: int, jobs: int) -> list[Part]:
    """Divide the sequences above `after`, of which `last` is the last sealed; each part begins with a page."""
    size = max(LEAST, (last - after) // (jobs * PARTS_EACH) + 1)
    ends = [after]
    for aim in range(after + size, last, size):
        if aim > ends[-1] and (page := trail.pages_by_sequence(aim, 1)):
            ends.append(page[0].first_sequence - 1)
    return [Part(since, *ends_of_one) for ends_of_one in pairwise([*ends, LARGEST])]


class Shared:
    """Parts that are taken in turn by the processes and by the one that called."""

    def __init__(self, trail: Trail, parts: Sequence[Part], tell: Tell) -> None:
        """Take the parts, in their order, and the trail of this process."""
        self._trail, self._tell, self._parts = trail, tell, parts
        self._left = deque(enumerate(parts))
        self._counts: dict[int, int] = {}
        self._found: dict[int, Found] = {}
        self._futures: list[Future[None]] = []

    def verify(self, processes: Processes, meanwhile: Callable[[Tell], None]) -> list[Verdict] | None:
        """Return what is found in each part, in their order; `meanwhile` is done here before parts are taken.

        None where a page has entries of the part that follows: who verifies that part cannot know of it, and one
        process has to verify all. Raises what was raised in any process, and ends all of them then.
        """
        with ThreadPoolExecutor(len(processes.each)) as pool:
            try:
                self._futures += [pool.submit(self._take, partial(_ask, process)) for process in processes.each]
                meanwhile(self._told)
                self._take(self._verify_here)
                while wait(self._futures, _SECONDS).not_done:
                    self._show()
                self._show()
            except BaseException:
                self._left.clear()
                processes.kill()
                raise
        found = [self._found[number] for number in range(len(self._parts))]
        if any(reached > part.until + 1 for part, (_, reached) in zip(self._parts, found, strict=True)):
            return None
        return [verdict for verdict, _ in found]

    def _take(self, verify: Taker) -> None:
        """Verify parts for as long as there are any."""
        while self._left:
            try:
                number, part = self._left.popleft()
            except IndexError:
                return  # another thread was quicker
            self._found[number] = verify(part, partial(self._counts.__setitem__, number))

    def _verify_here(self, part: Part, told: Callable[[int], None]) -> Found:
        def tell(_: str, count: int) -> None:
            told(count)
            self._show()

        return verify_part(self._trail, part, tell)

    def _told(self, what: str, count: int) -> None:
        self._tell(what, count)
        self._raise_what_was_raised()

    def _show(self) -> None:
        self._tell("entries", sum(tuple(self._counts.values())))
        self._raise_what_was_raised()

    def _raise_what_was_raised(self) -> None:
        for future in self._futures:
            if future.done():
                future.result()


def _ask(process: Process, part: Part, told: Callable[[int], None]) -> Found:
    process.tell("part", part)
    found: Found = process.answer(told)
    return found
