"""Gaps: sequences that a seal leaves open, because a transaction that has drawn them may still commit.

A gap may span sequences that earlier seals took, so that a seal has at most `MOST` gaps. A reader of the entries of a
gap leaves out those that have a leaf.

A transaction draws a sequence before it commits, so a seal can see later sequences without an earlier one. The guard
trigger of the table takes the id of the transaction before it draws the sequence. So a transaction with a sequence
below a visible one has an id below every id that is assigned later, such as that of the sealing transaction. When every
transaction below that id is over, the sequence is either sealed or will never be an entry.

The `xmax` of a snapshot does not work: it is above the last transaction that is over, but an open transaction with a
higher id can have a lower sequence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

MOST = 256
"""The most gaps of a seal."""


class Run(NamedTuple):
    """Consecutive sequences, including both ends."""

    first: int
    last: int


@dataclass(frozen=True)
class Gap:
    """A run of sequences, some without a visible entry; only transactions below `xmax` can commit one."""

    first: int
    last: int
    xmax: int


def joined(parts: Iterable[Run]) -> list[Run]:
    """Join ascending runs that are adjacent."""
    found: list[Run] = []
    for run in parts:
        if found and found[-1].last + 1 == run.first:
            found[-1] = Run(found[-1].first, run.last)
        else:
            found.append(run)
    return found


def still_open(gaps: Iterable[Gap], *, over_below: int | None, looked_until: int | None) -> list[Gap]:
    """Return the gaps in which an entry may still appear; the sequences that were taken are still in them.

    over_below: transactions below it were over before the entries were read; None if all transactions of the gaps were.
    looked_until: the last sequence that was read; None if all were. The rest of a gap stays, with an `xmax` below every
    open transaction.
    """
    left = []
    for gap in gaps:
        if over_below is not None and gap.xmax > over_below:
            left.append(gap)
        elif looked_until is not None and gap.last > looked_until:
            left.append(Gap(max(gap.first, looked_until + 1), gap.last, 0))
    return left


def bounded(gaps: Sequence[Gap], most: int = MOST) -> list[Gap]:
    """Return at most `most` gaps that contain the ascending `gaps`: neighbours are joined with the sequences between.

    Joined gaps stay open as long as the younger gap. So gaps of one seal are joined first, the nearest ones. Then the
    shortest pair is joined, so that a long gap does not grow on and stay open by ever younger gaps.
    """
    alike = sorted(
        (two.first - one.last, at) for at, (one, two) in enumerate(pairwise(gaps), 1) if one.xmax == two.xmax
    )
    with_the_one_before = {at for _, at in alike[: max(len(gaps) - most, 0)]}
    left: list[Gap] = []
    for at, gap in enumerate(gaps):
        left.append(_both(left.pop(), gap) if at in with_the_one_before else gap)
    while len(left) > most:
        at = min(range(1, len(left)), key=lambda at: left[at].last - left[at - 1].first)
        left[at - 1 : at + 1] = [_both(left[at - 1], left[at])]
    return left


def _both(one: Gap, two: Gap) -> Gap:
    return Gap(one.first, two.last, max(one.xmax, two.xmax))


def without(gaps: Iterable[Gap], taken: Sequence[Run]) -> list[Gap]:
    """Return ascending gaps without the sequences of ascending runs, as the smallest number of gaps."""
    left: list[Gap] = []

    def leave(first: int, last: int, xmax: int) -> None:
        if left and (left[-1].last + 1, left[-1].xmax) == (first, xmax):
            first = left.pop().first
        left.append(Gap(first, last, xmax))

    position = 0
    for gap in gaps:
        first = gap.first
        while position < len(taken) and taken[position].last < first:
            position += 1
        at = position
        while at < len(taken) and taken[at].first <= gap.last:
            if taken[at].first > first:
                leave(first, taken[at].first - 1, gap.xmax)
            first = taken[at].last + 1
            at += 1
        if first <= gap.last:
            leave(first, gap.last, gap.xmax)
    return left
