"""The sealing status of a trail, for operators and monitoring."""

import datetime as dt
from dataclasses import dataclass

from kms_schema.audit.formats.encoding import COLUMNS, fields, identity
from kms_schema.audit.formats.texts import text_of_microseconds, time_from_text
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot

_TIMESTAMP = list(COLUMNS).index("timestamp")


@dataclass(frozen=True)
class SealingStatus:
    """The last seal and the unsealed entries of one snapshot."""

    last: StoredSeal | None
    """The newest seal."""
    unsealed: int
    """The number of committed entries that no seal covers."""
    oldest: str | None = None
    """The id of the oldest of them."""
    oldest_sequence: int | None = None
    oldest_at: str | None = None
    """The timestamp of the seal; None outside the years 1 to 9999."""
    age: float | None = None
    """The age of the seal in seconds, by the database's clock."""

    def exceeded(self, max_lag: int | None, max_age: float | None) -> list[str]:
        """Return a sentence for each limit that is exceeded.

        max_lag: the most unsealed entries. max_age: the greatest age of one, in seconds. None for no limit.
        """
        found = []
        if max_lag is not None and self.unsealed > max_lag:
            found.append(f"unsealed entries: {self.unsealed}, more than --max-lag {max_lag}")
        if max_age is not None and self.unsealed and (self.age is None or self.age > max_age):
            age = "an invalid timestamp" if self.age is None else f"an age of {self.age:.0f} seconds"
            found.append(f"the oldest unsealed entry has {age}, more than --max-age {max_age:g}")
        return found


def sealing_status(snapshot: Snapshot) -> SealingStatus:
    """Return the last seal and the unsealed entries of a snapshot. Only the unsealed entries are read, none verified.

    Raises `EncodingError` if the last seal or the oldest unsealed entry is not valid. Example::

        with open_trail(connection).reading() as snapshot:
            print(sealing_status(snapshot).unsealed)
    """
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
