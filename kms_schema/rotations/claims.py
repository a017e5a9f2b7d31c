"""The values of the queue: claims, windows of policies, rests after a failure, results of scheduling, errors."""

import datetime as dt
import secrets
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kms_schema.errors import KmsSchemaError


class RotationError(KmsSchemaError):
    """A request to the queue, a change of a policy or a refresh (`refresh`) failed; the message says what to do."""

    reason: (
        Literal["refresh", "policy_disabled", "policy_exists", "policy_refused", "unknown_policy", "unknown_time_zone"]
        | None
    )


class LeaseLostError(RotationError):
    """The claim is no longer valid: its lease expired, another worker took the rotation over, or it has ended."""


@dataclass(frozen=True)
class Claim:
    """One rotation, claimed by a worker until the lease expires."""

    id: uuid.UUID
    """`key_rotations.id`."""
    key_master_id: uuid.UUID
    """`key_masters.id`."""
    key_id: str
    """The key's name, as in `key_masters.key_id`."""
    trigger: str
    """A value of `kms_schema.vocabulary.RotationTrigger`."""
    details: Mapping[str, Any]
    """The cause, if it was scheduled from `rotations_due`: `reason`, `reasons`, `policy_name` and `due_at`."""
    old_version: int | None
    """The version that was live when the rotation was scheduled."""
    live_version: int | None
    """The live version now. If it is later than `old_version`, an earlier worker made it and did not complete."""
    retry_count: int
    max_retries: int
    claimed_by: str
    """The worker's name with a random suffix, unique to this claim, as in `key_rotations.claimed_by`."""
    lease_expires_at: dt.datetime
    """In UTC or another time zone, always aware."""
    taken_over_from: str | None = None
    """`claimed_by` of the earlier claim whose lease expired, or None."""
    new_version: int | None = None
    """The version that an earlier claim created and recorded. Only the rest of the rotation is left to do."""


@dataclass(frozen=True)
class Scheduled:
    """The result of one round of scheduling."""

    scheduled: int
    """Keys that were due and now have a planned rotation."""
    retried: int
    """Failed rotations that are planned again."""
    looked_at: int
    """Live versions whose index bounds were recomputed."""


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


@dataclass(frozen=True)
class Window:
    """From one local time (HH:MM) to another, which may be on the next day; the same time twice is the whole day.

    Local time decides: an hour that daylight saving time skips is in no window, an hour that it repeats is in its
    window twice.
    """

    policy_name: str
    start: str
    """`HH:MM`, part of the window."""
    end: str
    """`HH:MM`, not part of the window."""
    timezone: str
    """A name of the IANA database, such as `Europe/Berlin`."""

    def __str__(self) -> str:
        """Return `22:00-04:00 Europe/Berlin`."""
        return f"{self.start}-{self.end} {self.timezone}"

    def is_open(self, at: dt.datetime) -> bool:
        """Return True if `at`, an aware time, is in the window. Raises `RotationError` if the time zone is unknown."""
        try:
            zone = zoneinfo.ZoneInfo(self.timezone)
        except (KeyError, OSError, ValueError) as error:  # not found, a folder, a path out of the folder of zones
            raise self._unknown() from error
        time = f"{at.astimezone(zone):%H:%M}"
        if self.start < self.end:
            return self.start <= time < self.end
        return time >= self.start or time < self.end

    def _unknown(self) -> RotationError:
        return RotationError(
            f"policy {self.policy_name!r} has the time zone {self.timezone!r}, which is unknown on this"
            " machine: correct the policy, or update the machine's time zones (pip install tzdata)",
            reason="unknown_time_zone",
        )
