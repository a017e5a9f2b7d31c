"""Which sequences a seal leaves open: numbers that were drawn, and whose transactions may still commit.

A sequence is drawn before its transaction commits, so a seal sees later numbers and not yet an earlier one. The guard
of the table takes the transaction's id before it draws: whoever holds a number below one that is visible has an id
below any that is given out afterwards, to the sealing transaction itself for instance. Once every transaction below
that is over, the number has either been sealed or will never be an entry.

`xmax` of a snapshot would not do: it is above the last transaction that is over, and one that is still open, whose id
is higher, can hold a lower number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Run(NamedTuple):
    """Consecutive sequences, both ends included."""

    first: int
    last: int


@dataclass(frozen=True)
class Gap:
    """A run of sequences without an entry yet; only transactions below `xmax` can bring one."""

    first: int
    last: int
    xmax: int


def joined(parts: Iterable[Run]) -> list[Run]:
    """Join ascending runs that follow each other without a number between them."""
    found: list[Run] = []
    for run in parts:
        if found and found[-1].last + 1 == run.first:
            found[-1] = Run(found[-1].first, run.last)
        else:
            found.append(run)
    return found


def still_open(gaps: Iterable[Gap], *, over_below: int | None, looked_until: int | None) -> list[Gap]:
    """Return the gaps that may still bring an entry, before what has been taken is taken out of them.

    Transactions below `over_below` were over before the entries were read; None says that all of the gaps' were.
    Entries were read as far as `looked_until`; None says that all were. What was not looked at stays, with an `xmax`
    that is over for certain.
    """
    kept = []
    for gap in gaps:
        if over_below is not None and gap.xmax > over_below:
            kept.append(gap)
        elif looked_until is not None and gap.last > looked_until:
            kept.append(Gap(max(gap.first, looked_until + 1), gap.last, 0))
    return kept


def without(gaps: Iterable[Gap], taken: Sequence[Run]) -> list[Gap]:
    """Return what is left of ascending gaps when ascending runs have been taken out of them, as few as there can be."""
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
