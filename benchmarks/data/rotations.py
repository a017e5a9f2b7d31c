"""Policies and their rotations, some of which failed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.data.size import Ages
from kms_schema.vocabulary import KeyType, RotationTrigger

ROTATION_COLUMNS = (
    "id", "key_id", "policy_id", "trigger", "scheduled_at", "started_at", "completed_at", "failed_at", "old_version",
    "new_version", "status", "error_message", "retry_count", "claimed_by", "lease_expires_at", "execution_time_ms",
)  # fmt: skip

MAX_OPERATIONS = 10_000_000
MAX_DATA_VOLUME_MB = 1_000_000
LATER = 10
"""Days from the interval to the age limit: a key that reaches it is overdue."""
SHARE_FAILED = 0.03
"""The share of rotations with an earlier failed one."""
SHARE_SCHEDULED = 0.004
SHARE_RUNNING = 0.001
"""The share of active keys without a policy that makes them due."""
REASONS = ("time", "age", "usage", "volume", "expiry")
"""The reasons of due keys, in turn."""
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
    """The limits at which keys of a type are due."""

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

    def days_since(self, random: Random, reason: str | None) -> float:
        """Return the days since the last rotation of a key, by its reason if it is due."""
        if reason == "time":
            return self.interval_days + random.uniform(0.1, LATER - 2)
        if reason == "age":
            return self.interval_days + LATER + random.uniform(0.1, LATER)
        return random.uniform(0.02, 0.9) * self.interval_days

    def uses_due(self, reason: str | None) -> tuple[int, int] | None:
        """Return the counters of a live version that is due for them."""
        if reason == "usage":
            return MAX_OPERATIONS, 1_000
        if reason == "volume":
            return 1_000, MAX_DATA_VOLUME_MB * 1_048_576
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


@dataclass(frozen=True)
class _Times:
    """The times of a rotation."""

    scheduled: str
    started: str | None = None
    completed: str | None = None
    failed: str | None = None
    lease: str | None = None


@dataclass(frozen=True)
class Rotations:
    """The rotations of one key."""

    random: Random
    ages: Ages
    key: str
    policy: str
    """The ids of the policies."""

    def made(self, activated: Sequence[float]) -> Iterator[tuple[Any, ...]]:
        """Yield the rotations to each version but the first, with the days since their activations."""
        for version, days in enumerate(activated[1:], 1):
            if self.random.random() < SHARE_FAILED:
                yield self._failed(version, days + 0.04)
            yield self._completed(version, days)

    def opened(self, version: int) -> Iterator[tuple[Any, ...]]:
        """Yield the planned or running rotation of an active key, if any; some are due now."""
        ago, chance = self.ages.ago, self.random.random()
        if chance < SHARE_SCHEDULED:
            planned = self.random.uniform(-7, 0) if chance < SHARE_SCHEDULED / 2 else self.random.uniform(0.001, 0.04)
            yield self._row("SCHEDULED", version, _Times(ago(planned)))
        elif chance < SHARE_SCHEDULED + SHARE_RUNNING:
            times = _Times(ago(0.01), ago(0.005), lease=ago(-0.01))
            yield self._row("RUNNING", version, times, claimed_by=self._worker())

    def _completed(self, version: int, days: float) -> tuple[Any, ...]:
        times = _Times(self.ages.ago(days + 0.007), self.ages.ago(days + 0.001), completed=self.ages.ago(days))
        took = int(self.random.lognormvariate(6, 1))
        values = {"claimed_by": self._worker(), "execution_time_ms": took}
        return self._row("COMPLETED", version, times, new_version=version + 1, **values)

    def _failed(self, version: int, days: float) -> tuple[Any, ...]:
        times = _Times(self.ages.ago(days + 0.007), self.ages.ago(days + 0.001), failed=self.ages.ago(days))
        values = {"error_message": self.random.choice(ERRORS), "retry_count": 3, "claimed_by": self._worker()}
        return self._row("FAILED", version, times, **values)

    def _worker(self) -> str:
        return f"worker-{self.random.randrange(8)}"

    def _row(self, status: str, version: int, times: _Times, **values: Any) -> tuple[Any, ...]:
        trigger = self.random.choices([*TRIGGERS], [*TRIGGERS.values()])[0]
        return (
            f"{self.random.getrandbits(128):032x}", self.key, self.policy, trigger, times.scheduled, times.started,
            times.completed, times.failed, version, values.get("new_version"), status, values.get("error_message"),
            values.get("retry_count", 0), values.get("claimed_by"), times.lease, values.get("execution_time_ms"),
        )  # fmt: skip
