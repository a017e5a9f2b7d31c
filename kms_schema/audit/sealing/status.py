"""The sealing status of a trail, for operators and monitoring."""

import datetime as dt
from dataclasses import dataclass

from kms_schema.audit.formats.encoding import COLUMNS, fields, identity
from kms_schema.audit.formats.timestamps import text_of_microseconds, time_from_text
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot

_TIMESTAMP = list(COLUMNS).index("timestamp")


@dataclass(frozen=True)
class SealingStatus:
    """What is sealed and what is not, at one moment."""

    last: StoredSeal | None
    """The newest seal."""
    unsealed: int
    """Committed entries that no seal has closed."""
    oldest: str | None = None
    """The id of the first of them."""
    oldest_sequence: int | None = None
    oldest_at: str | None = None
    """When it was written; None where that is no time in the years 1 to 9999."""
    age: float | None = None
    """Seconds since then, by the database's clock."""

    def too_far(self, max_lag: int | None, max_age: float | None) -> list[str]:
        """Return, in sentences, which limits are passed: so many unsealed entries, so many seconds."""
        found = []
        if max_lag is not None and self.unsealed > max_lag:
            found.append(f"not sealed: {self.unsealed}, and --max-lag is {max_lag}")
        if max_age is not None and self.unsealed and (self.age is None or self.age > max_age):
            age = "at an impossible time" if self.age is None else f"{self.age:.0f} seconds ago"
            found.append(f"the oldest entry that is not sealed was written {age}, and --max-age is {max_age:g}")
        return found


def sealing_status(snapshot: Snapshot) -> SealingStatus:
    """Return how far the trail behind one snapshot is sealed. Reads what is not sealed, and nothing else."""
    last = snapshot.seals.last()
    after, gaps = (last.last_sequence, last.open_gaps) if last else (0, ())
    first = list(snapshot.entries.unsealed(after, gaps, 1))
    if not first:
        return SealingStatus(last, 0)
    entry_id, sequence = identity(first[0])
    written = text_of_microseconds(int.from_bytes(fields(first[0])[_TIMESTAMP] or b"", "big", signed=True))
    age = (
        None
        if written is None
        else (time_from_text(snapshot.now()) - time_from_text(written)) / dt.timedelta(seconds=1)
    )
    return SealingStatus(last, snapshot.entries.count_unsealed(after, gaps), str(entry_id), sequence, written, age)
