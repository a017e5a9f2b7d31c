"""How much there is in a database to measure in."""

import datetime as dt
from dataclasses import dataclass

SHARE_DUE = 1_000
"""One key of so many is due for rotation, where nothing else is said."""


@dataclass(frozen=True)
class Size:
    """A database is told by it: two of the same size, and of the same seed, have the same rows."""

    events: int
    keys: int
    versions: tuple[int, int] = (10, 20)
    """The fewest and the most versions of a key."""
    due: int | None = None
    """How many keys are due for rotation before anybody asks for it."""

    @property
    def keys_due(self) -> int:
        """How many keys are due by their dates and counters."""
        return max(1, self.keys // SHARE_DUE) if self.due is None else self.due

    @property
    def without_events(self) -> "Size":
        """The size of the same keys alone."""
        return Size(0, self.keys, self.versions, self.due)


@dataclass(frozen=True)
class Ages:
    """Turns ages into times before (or after) one moment, the present of the data."""

    moment: dt.datetime
    """In UTC, without a time zone."""

    @classmethod
    def from_now(cls) -> "Ages":
        """Take this second for the present."""
        return cls(dt.datetime.now(dt.UTC).replace(microsecond=0, tzinfo=None))

    def ago(self, days: float) -> str:
        """Return the time so many days ago, as both engines read it."""
        return (self.moment - dt.timedelta(seconds=round(days * 86_400))).isoformat(timespec="microseconds") + "Z"
