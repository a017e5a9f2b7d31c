"""The time between a failed rotation and its next attempt."""

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass

_random = secrets.SystemRandom().random


LONGEST_REST = dt.timedelta(days=7)
"""`rotations_due` has a key again if its retry is planned for a day more than this after the failure."""


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff: the time doubles after each failure, up to `longest`, less a random part of up to half.

    The jitter spreads rotations that failed together, such as during an outage of an HSM. It is the "equal jitter" of
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/, which never waits close to zero.
    """

    first: dt.timedelta = dt.timedelta(minutes=1)
    """The longest rest after the first failure; jitter shortens it by up to half."""
    longest: dt.timedelta = dt.timedelta(hours=6)
    """The upper bound of all rests, at most 7 days."""

    def __post_init__(self) -> None:
        """Raises `ValueError` unless 0 < `first` <= `longest` <= 7 days."""
        if self.longest > LONGEST_REST:
            raise ValueError(f"the longest rest is at most {LONGEST_REST.days} days, not {self.longest}")
        if not dt.timedelta(0) < self.first <= self.longest:
            raise ValueError(f"the first rest is longer than 0 and at most {self.longest}, not {self.first}")

    def rest(self, retries: int, chance: Callable[[], float] = _random) -> dt.timedelta:
        """Return the rest after a failure.

        - `retries`: the number of retries before the failure; 0 for the first failure
        - `chance`: a function that returns a random number from 0 to 1

        ```python
        Backoff(first=dt.timedelta(seconds=10)).rest(2)     # 20 to 40 seconds
        ```
        """
        # 2.0**1023 is the largest power of two of a float; a timedelta has a smaller range.
        doublings = min(retries, 1023)
        seconds = min(self.longest.total_seconds(), self.first.total_seconds() * 2.0**doublings)
        return dt.timedelta(seconds=seconds * (1 - chance() / 2))
