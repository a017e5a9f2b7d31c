"""Claims, the results of scheduling, and the errors of the queue."""

import datetime as dt
import uuid
from collections.abc import Mapping
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
