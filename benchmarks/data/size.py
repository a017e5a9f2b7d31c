"""The size of a database for measurements."""

import datetime as dt
from dataclasses import dataclass

SHARE_DUE = 1_000
"""The share of keys that are due for rotation, by default one in this number."""


@dataclass(frozen=True)
class Size:
    """A database is identified by its size: two of the same size and seed have the same rows."""

    events: int
    keys: int
    versions: tuple[int, int] = (10, 20)
    """The minimum and maximum number of versions of a key."""
    due: int | None = None
    """The number of keys that are due for rotation."""

    @property
    def keys_due(self) -> int:
        """The number of keys that are due by their times and counters."""
        return max(1, self.keys // SHARE_DUE) if self.due is None else self.due

    @property
    def without_events(self) -> "Size":
        """The size with the same keys and no entries."""
        return Size(0, self.keys, self.versions, self.due)


@dataclass(frozen=True)
class Ages:
    """Converts ages into times before (or after) the present of the data."""

    moment: dt.datetime
    """In UTC, without a time zone."""

    @classmethod
    def from_now(cls) -> "Ages":
        """Use the current second as the present."""
        return cls(dt.datetime.now(dt.UTC).replace(microsecond=0, tzinfo=None))

    def ago(self, days: float) -> str:
        """Return the time of a number of days ago, in a format that both engines read."""
        return (self.moment - dt.timedelta(seconds=round(days * 86_400))).isoformat(timespec="microseconds") + "Z"
