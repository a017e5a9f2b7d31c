"""Rotations of the queue for people: open rotations and recent rotations."""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kms_schema.rotations.claims import Window


@dataclass(frozen=True)
class ListedRotation:
    """A rotation of the queue."""

    id: uuid.UUID
    key_id: str
    """The key's name."""
    trigger: str
    status: str
    """`RUNNING`, `SCHEDULED`, `FAILED` or `COMPLETED`."""
    policy_name: str | None
    window: Window | None
    """The window of its policy, if that has one."""
    scheduled_at: dt.datetime
    """The rotation can be claimed from this time on."""
    ended_at: dt.datetime | None
    """The time of its completion, or of its last failure."""
    next_retry_at: dt.datetime | None
    """The time of the next attempt of a failed rotation; None without one."""
    retry_count: int
    max_retries: int
    claimed_by: str | None
    lease_expires_at: dt.datetime | None
    old_version: int | None
    new_version: int | None
    error_message: str | None


@dataclass(frozen=True)
class NextDue:
    """The key that is due next by a date."""

    key_id: str
    """The key's name."""
    reason: str
    """`time`, `age` or `expiry`, as in `rotations_due`."""
    due_at: dt.datetime
    policy_name: str


@dataclass(frozen=True)
class Pending:
    """A number of rotations that are not done yet, for the same reason."""

    count: int
    retried: bool
    """True for failed rotations that are tried again."""
    earliest: dt.datetime
    """The earliest time of these rotations: planned for, or of the next attempt."""
    window: Window | None
    """The window of their policy, if that has one."""


def sentences_of(pending: Sequence[Pending], now: dt.datetime, *, at_any_time: bool = False) -> Iterator[str]:
    """Yield the reasons why rotations wait, a sentence for each group; `at_any_time` as for `RotationQueue.claim`.

    A group that could be claimed at `now` has no sentence. Raises `RotationError` for an unknown time zone.
    """
    for each in pending:
        if each.retried:
            yield _sentence(each.count, "tried again", each.earliest)
        elif each.earliest > now:
            yield _sentence(each.count, "planned for later", each.earliest)
        elif each.window is not None and not at_any_time and not each.window.is_open(now):
            subject = "1 waits for its" if each.count == 1 else f"{each.count} wait for their"
            yield f"{subject} window {each.window}"


def _sentence(count: int, what: str, earliest: dt.datetime) -> str:
    at = f"{earliest.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"1 is {what} at {at}" if count == 1 else f"{count} are {what}, the first at {at}"
