"""Sealed entries that no tombstone can be for, since one with a lower sequence is not sealed before them."""

import datetime as dt
from dataclasses import dataclass

from kms_schema.audit.formats.encoding import columns
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.formats.timestamps import time_from_text
from kms_schema.audit.storage.records import Page
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot

_DAY = 86400


@dataclass(frozen=True)
class Held:
    """The first entries that cannot be cut, and what holds them.

    A cut is at a place where leaves and sequences are in one order. There is none while a transaction with a lower
    sequence is open, nor before the seal that takes its entry. Transactions that overlap leave no such place.
    """

    entries: int
    """The sealed entries after the last place where a cut is possible."""
    sequence: int
    """The sequence that holds them."""
    holder: str
    """Its origin: the session that may still commit it, or who recorded it and when."""
    age: float | None
    """The seconds since the first of the entries was written, by the database's clock; None if that cannot be read."""
    overdue: float | None
    """The seconds since its retention period ended, negative before."""

    def __str__(self) -> str:
        """Return a sentence."""
        since = "" if self.age is None else f" for {self.age:.0f} seconds"
        return f"retention is held{since} by sequence {self.sequence}, which {self.holder}: {self.entries} entries"


def held(snapshot: Snapshot, *, expired: bool = False) -> Held | None:
    """Return what keeps sealed entries from being cut, None if a cut is possible after the last sealed page.

    expired: look only at entries before the first whose retention period has not ended.

    Raises `SealError` if the last seal is not valid. Example::

        with open_trail(connection).reading() as snapshot:
            print(held(snapshot) or "nothing is held")
    """
    last, removed = snapshot.seals.last(), snapshot.tombstones.newest()
    if last is None:
        return None
    retained = snapshot.retention.first_retained() if expired else None
    until = last.last_sequence if retained is None else retained - 1
    gap = min(last.open_gaps, key=lambda each: each.first, default=None)
    first = removed.leaf_count if removed else 0
    found = snapshot.tree.division(first, until if gap is None else min(until, gap.first - 1))
    pages = snapshot.tree.pages(found[0] if found else first, 1)
    if not pages or pages[0].run.last > until:
        return None
    late = snapshot.tree.lowest_from(pages[0].first_leaf + pages[0].size)
    return _held(snapshot, last, pages[0], gap, late)


def _held(snapshot: Snapshot, last: StoredSeal, page: Page, gap: Gap | None, late: int | None) -> Held | None:
    age, days, _ = _written(snapshot, page.first_sequence)
    is_open = gap is not None and gap.first < page.run.last
    if gap is not None and is_open and (late is None or gap.first < late):
        sequence, holder = gap.first, f"may still be committed{snapshot.holder(gap.xmax)}"
    elif late is not None and late < page.run.last:
        sequence, holder = late, f"was sealed after higher ones{_written(snapshot, late)[2]}"
        if gap is not None:
            holder += f"; sequence {gap.first} may still be committed{snapshot.holder(gap.xmax)}"
    else:
        return None
    overdue = None if age is None or days is None else age - days * _DAY
    return Held(last.tree_size - page.first_leaf, sequence, holder, age, overdue)


def _written(snapshot: Snapshot, sequence: int) -> tuple[float | None, int | None, str]:
    """Return the age of an entry in seconds, its period in days, and who recorded it."""
    try:
        (said,) = [columns(entry) for entry in snapshot.entries.read(sequence, sequence) if type(entry) is bytes]
        age = (time_from_text(snapshot.now()) - time_from_text(str(said["timestamp"]))) / dt.timedelta(seconds=1)
    except ValueError:  # it is gone, unreadable or hidden, or its time is none
        return None, None, ""
    role = f" by {said['recorded_by']}" if said["recorded_by"] else ""
    return age, int(str(said["retention_period_days"])), f" (recorded{role} at {said['timestamp']})"
