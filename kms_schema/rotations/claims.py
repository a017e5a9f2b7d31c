"""What the queue hands out, and what it says no with."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class RotationError(Exception):
    """Something cannot be done; the message says what to do."""


class LeaseLost(RotationError):  # noqa: N818  (it says what happened)
    """The rotation is not the worker's any more: its lease ran out, somebody took it over, or it has ended."""


@dataclass(frozen=True)
class Claim:
    """One rotation, which is this worker's until the lease ends."""

    id: uuid.UUID
    key_master_id: uuid.UUID
    key_id: str
    """The key's name, as in `key_masters.key_id`."""
    trigger: str
    details: Mapping[str, Any]
    """Why, where it was scheduled from `rotations_due`: `reason`, `reasons`, `policy_name` and `due_at`."""
    old_version: int | None
    """The version that was live when it was scheduled."""
    live_version: int | None
    """The version that is live now. One later than `old_version` was made by a worker that did not come to say so."""
    retry_count: int
    max_retries: int
    claimed_by: str
    """The worker's name and something that no other claim has: what `key_rotations.claimed_by` holds."""
    lease_expires_at: dt.datetime
    taken_over_from: str | None = None
    """The claimant whose lease ran out, if there was one."""


@dataclass(frozen=True)
class Scheduled:
    """What one round of scheduling did."""

    scheduled: int
    """Keys that were due, and have a rotation now."""
    retried: int
    """Failed rotations that are to be tried again now."""
    looked_at: int
    """Live versions whose ceilings were worked out anew."""
