"""How long a failed rotation rests before it is tried again."""

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass

_random = secrets.SystemRandom().random


@dataclass(frozen=True)
class Backoff:
    """Twice as long after each failure, up to a bound, and up to half of it less by chance.

    What failed together (an HSM was away) is then not tried again together. "Equal jitter" of
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/: a rest is never next to nothing.
    """

    first: dt.timedelta = dt.timedelta(minutes=1)
    longest: dt.timedelta = dt.timedelta(hours=6)

    def __post_init__(self) -> None:
        """Raises `ValueError` for rests that are none, or that shrink."""
        if not dt.timedelta(0) < self.first <= self.longest:
            raise ValueError(f"rest at first longer than 0 and no longer than {self.longest}, not {self.first}")

    def rest(self, retries: int, chance: Callable[[], float] = _random) -> dt.timedelta:
        """Return how long to rest after a failure with `retries` used before it; `chance` is from 0 to 1."""
        # 2.0**1023 is the largest power that a float holds, and a timedelta holds less.
        doublings = min(retries, 1023)
        seconds = min(self.longest.total_seconds(), self.first.total_seconds() * 2.0**doublings)
        return dt.timedelta(seconds=seconds * (1 - chance() / 2))
