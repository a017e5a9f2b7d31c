"""Policies, and the rotations under them, some of which failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.data.size import Ages
from kms_schema.vocabulary import KeyStatus, KeyType, RotationTrigger

ROTATION_COLUMNS = (
    "id", "key_id", "policy_id", "trigger", "scheduled_at", "started_at", "completed_at", "failed_at", "old_version",
    "new_version", "status", "error_message", "retry_count", "claimed_by", "lease_expires_at", "execution_time_ms",
)  # fmt: skip

MAX_OPERATIONS = 10_000_000
MAX_DATA_VOLUME_MB = 1_000_000
LATER = 10
"""The age limit is so many days after the interval: who reaches it has been overdue."""
SHARE_FAILED = 0.03
"""Of the rotations, so many took another before them that failed."""
SHARE_SCHEDULED = 0.004
SHARE_RUNNING = 0.001
"""Of the active keys that no policy makes due."""
TRIGGERS = {
    RotationTrigger.SCHEDULED: 80,
    RotationTrigger.USAGE_COUNT: 8,
    RotationTrigger.DATA_VOLUME: 5,
    RotationTrigger.MANUAL: 4,
    RotationTrigger.COMPLIANCE: 2,
    RotationTrigger.SECURITY_INCIDENT: 1,
}
ERRORS = (
    "the HSM did not answer within 30 s: session 4711 closed by peer",
    "the new version could not be wrapped: the KEK is held by another rotation",
    "verification of the new version failed: its check value differs\n" + "  at step 4 of 7\n" * 20,
)


@dataclass(frozen=True)
class Policy:
    """When the keys of a type are due."""

    key_type: KeyType
    interval_days: int

    def row(self, identifier: str) -> tuple[Any, ...]:
        """Return the values of `POLICY_COLUMNS`."""
        return (
            identifier,
            f"{self.key_type} keys each {self.interval_days} days",
            self.key_type,
            self.interval_days,
            self.interval_days + LATER,
            MAX_OPERATIONS,
            MAX_DATA_VOLUME_MB,
            self.key_type is KeyType.DEK,
        )

    def days_due(self, random: Random, reason: int) -> float:
        """Return how long ago the last rotation was of a key that is due for a reason."""
        if reason % 5 == 0:
            return self.interval_days + random.uniform(0.1, LATER - 2)
        if reason % 5 == 1:
            return self.interval_days + LATER + random.uniform(0.1, LATER)
        return random.uniform(0.02, 0.9) * self.interval_days

    def uses_due(self, reason: int) -> tuple[int, int] | None:
        """Return the counters of a live version that is due for them."""
        if reason % 5 == 2:
            return MAX_OPERATIONS + reason, 1_000
        if reason % 5 == 3:
            return 1_000, (MAX_DATA_VOLUME_MB + reason) * 1_048_576
        return None


POLICY_COLUMNS = (
    "id", "policy_name", "key_type", "rotation_interval_days", "max_key_age_days", "max_operations",
    "max_data_volume_mb", "rotate_on_compliance_requirement",
)  # fmt: skip
POLICIES = (
    Policy(KeyType.KEK, 365),
    Policy(KeyType.DEK, 90),
    Policy(KeyType.TLS, 180),
    Policy(KeyType.HSM, 365),
    Policy(KeyType.BACKUP, 365),
)


def rotations_of(
    random: Random,
    ages: Ages,
    key: str,
    policy: str,
    activated: Sequence[float],
    status: KeyStatus,
    *,
    free: bool,
) -> list[tuple[Any, ...]]:
    """Return what made each version of a key but the first, and what is open, if the key is `free` for it."""
    made = []
    for version, days in enumerate(activated[1:], 1):
        if random.random() < SHARE_FAILED:
            made.append(_failed(random, ages, key, policy, version, days + 0.04))
        made.append(_completed(random, ages, key, policy, version, days))
    if free and status is KeyStatus.ACTIVE:
        chance = random.random()
        if chance < SHARE_SCHEDULED:
            planned = random.uniform(-7, 0.04) if chance < SHARE_SCHEDULED / 2 else random.uniform(0.001, 0.04)
            made.append(_row(random, key, policy, "SCHEDULED", len(activated), scheduled=ages.ago(planned)))
        elif chance < SHARE_SCHEDULED + SHARE_RUNNING:
            times = {"scheduled": ages.ago(0.01), "started": ages.ago(0.005), "lease": ages.ago(-0.01)}
            made.append(_row(random, key, policy, "RUNNING", len(activated), worker=_worker(random), **times))
    return made


def _completed(random: Random, ages: Ages, key: str, policy: str, version: int, days: float) -> tuple[Any, ...]:
    milliseconds = int(random.lognormvariate(6, 1))
    times = {"scheduled": ages.ago(days + 0.007), "started": ages.ago(days + 0.001), "completed": ages.ago(days)}
    return _row(
        random, key, policy, "COMPLETED", version, new=version + 1, worker=_worker(random), took=milliseconds, **times
    )


def _failed(random: Random, ages: Ages, key: str, policy: str, version: int, days: float) -> tuple[Any, ...]:
    times = {"scheduled": ages.ago(days + 0.007), "started": ages.ago(days + 0.001), "failed": ages.ago(days)}
    error = random.choice(ERRORS)
    return _row(random, key, policy, "FAILED", version, error=error, retries=3, worker=_worker(random), **times)


def _worker(random: Random) -> str:
    return f"worker-{random.randrange(8)}"


def _row(  # noqa: PLR0913  (the columns of the table)
    random: Random,
    key: str,
    policy: str,
    status: str,
    old: int,
    *,
    scheduled: str,
    started: str | None = None,
    completed: str | None = None,
    failed: str | None = None,
    new: int | None = None,
    error: str | None = None,
    retries: int = 0,
    worker: str | None = None,
    lease: str | None = None,
    took: int | None = None,
) -> tuple[Any, ...]:
    trigger = random.choices([*TRIGGERS], [*TRIGGERS.values()])[0]
    return (
        f"{random.getrandbits(128):032x}", key, policy, trigger, scheduled, started, completed, failed, old, new, status,
        error, retries, worker, lease, took,
    )  # fmt: skip
