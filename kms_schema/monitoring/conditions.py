"""The conditions of `kms-schema check`: the same facts and limits as the alerts for Prometheus."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from kms_schema.monitoring.alerting.thresholds import DAY, Thresholds
from kms_schema.monitoring.names import NO_HEALTH, Part
from kms_schema.monitoring.samples import Snapshot
from kms_schema.vocabulary import HsmHealth

_LIMITS = Thresholds()
_MONTH, _WEEK, _DAY = _LIMITS.expires_within_days


class Status(IntEnum):
    """A result in the convention of Nagios and Icinga; the number is the exit status."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True)
class Limits:
    """The values from which on a condition is reported; None for never."""

    warn: float | None
    crit: float | None


@dataclass(frozen=True)
class Condition:
    """One fact that is compared with limits."""

    name: str
    """In lower case with hyphens, as `--warn NAME=VALUE` and the performance data have it."""
    parts: tuple[Part, ...]
    """The parts that it needs: if one fails, the condition is unknown."""
    text: str
    """The meaning of the value, which stands before it: `keys are overdue for rotation`."""
    value: Callable[[Snapshot], float | None]
    """Returns the value; None if there is nothing to compare."""
    limits: Limits
    one: str = ""
    """The meaning of the value 1, for a condition that counts; otherwise `text`."""
    unit: str = ""
    """The unit of performance data: `s` or none."""
    below: bool = False
    """True if smaller values are worse: seconds that are left."""

    def judge(self, value: float | None, limits: Limits) -> Status:
        """Return the status of a value; a value that reaches a limit is reported.

        assert condition.judge(None, limits) is Status.OK
        """
        for status, limit in ((Status.CRITICAL, limits.crit), (Status.WARNING, limits.warn)):
            if value is not None and limit is not None and (value <= limit if self.below else value >= limit):
                return status
        return Status.OK


_Value = Callable[[Snapshot], float | None]
_Chosen = Callable[[tuple[str, ...]], bool]


def _values(snapshot: Snapshot, name: str, chosen: _Chosen) -> list[float]:
    return [each.value for each in snapshot.by_name.get(name, ()) if chosen(each.labels)]


def _total(name: str, chosen: _Chosen = lambda _labels: True) -> _Value:
    return lambda snapshot: sum(found) if (found := _values(snapshot, name, chosen)) else None


def _most(name: str, chosen: _Chosen = lambda _labels: True) -> _Value:
    return lambda snapshot: max(_values(snapshot, name, chosen), default=None)


def _age(name: str, *, newest: bool = False) -> Callable[[Snapshot], float | None]:
    """Return the seconds since the oldest, or the newest, time of a metric, by the clock of the database."""

    def value(snapshot: Snapshot) -> float | None:
        times = [each.value for each in snapshot.by_name.get(name, ())]
        if not times or snapshot.at is None:
            return None
        return snapshot.at.timestamp() - (max(times) if newest else min(times))

    return value


def _until_expiration(snapshot: Snapshot) -> float | None:
    """Return the seconds until the next active key expires; keys that have expired are a condition of their own."""
    now = 0.0 if snapshot.at is None else snapshot.at.timestamp()
    times = (each.value for each in snapshot.by_name.get("kms_key_expiration_timestamp_seconds", ()))
    return min((time - now for time in times if time > now), default=None)


def _unpublished(snapshot: Snapshot) -> float | None:
    """Return the age of the last publication unless it is of the last seal: a record may name one that is not there."""
    published = snapshot.value("kms_audit_published_seal_number")
    sealed = snapshot.value("kms_audit_seal_number")
    if published is None or sealed is None:
        return None
    return 0 if sealed == published else _age("kms_audit_publication_timestamp_seconds")(snapshot)


def _hsms(status: str) -> Callable[[Snapshot], float | None]:
    def value(snapshot: Snapshot) -> float | None:
        active = {each.labels for each in snapshot.by_name.get("kms_hsm_active", ()) if each.value}
        health = snapshot.by_name.get("kms_hsm_health", ())
        return sum(each.value for each in health if each.labels[:2] in active and each.labels[2] == status)

    return value


def _unchecked_hsms(snapshot: Snapshot) -> float | None:
    """Return how many HSMs in use were not checked in time; one that is OFFLINE is a condition of its own."""
    if snapshot.at is None:
        return None
    active = {each.labels for each in snapshot.by_name.get("kms_hsm_active", ()) if each.value}
    health = {each.labels[:2]: each.labels[2] for each in snapshot.by_name.get("kms_hsm_health", ()) if each.value}
    checked = {each.labels: each.value for each in snapshot.by_name.get("kms_hsm_health_check_timestamp_seconds", ())}
    since = snapshot.at.timestamp() - _LIMITS.hsm_unchecked
    return sum(
        health.get(each) != HsmHealth.OFFLINE and (health.get(each) == NO_HEALTH or checked.get(each, 0) <= since)
        for each in active
    )


def _late_retention(snapshot: Snapshot) -> float | None:
    late = _age("kms_audit_retention_end_timestamp_seconds")(snapshot)
    return None if late is None else max(late, 0)


_ONE = Limits(1, None)
_ENTRIES = "kms_audit_high_risk_entries"
CONDITIONS: tuple[Condition, ...] = (
    Condition("expiry", (Part.EXPIRY,), "until the next active key expires", _until_expiration,
              Limits(_WEEK * DAY, _DAY * DAY), unit="s", below=True),
    Condition("expired", (Part.EXPIRY,), "active keys have expired", _total("kms_keys_expired_active"),
              Limits(None, 1), "active key has expired"),
    Condition("overdue", (Part.DUE,), "keys are overdue for rotation", _total("kms_keys_rotation_overdue"), _ONE,
              "key is overdue for rotation"),
    Condition("failures", (Part.ROTATIONS,), "failed attempts to rotate a key", _most("kms_key_rotation_failures"),
              Limits(1, _LIMITS.rotation_failures), "failed attempt to rotate a key"),
    Condition("leases", (Part.ROTATIONS,), "rotations have an expired lease", _total("kms_rotation_leases_expired"),
              _ONE, "rotation has an expired lease"),
    Condition("waiting", (Part.ROTATIONS,), "that a rotation has waited for a worker",
              _age("kms_rotation_scheduled_oldest_timestamp_seconds"), Limits(_LIMITS.rotation_waits, None), unit="s"),
    Condition("usage", (Part.USAGE,), "of its limit is used by a key", _most("kms_key_usage_ratio"),
              Limits(_LIMITS.usage, 1)),
    Condition("unsealed", (Part.SEALING,), "since the oldest unsealed entry",
              _age("kms_audit_unsealed_oldest_timestamp_seconds"), Limits(_LIMITS.unsealed / 2, _LIMITS.unsealed),
              unit="s"),
    Condition("unpublished", (Part.SEALING, Part.RECORDS), "since the last publication, with newer seals", _unpublished,
              Limits(_LIMITS.unpublished, None), unit="s"),
    Condition("cosignature", (Part.RECORDS,), "since the last cosignature",
              _age("kms_audit_cosignature_timestamp_seconds", newest=True), Limits(_LIMITS.not_cosigned, None),
              unit="s"),
    Condition("retention", (Part.LOG,), "past the end of the first retention period", _late_retention,
              Limits(_LIMITS.retention, None), unit="s"),
    Condition("critical-entries", (Part.SECURITY,), "CRITICAL entries in the last hour",
              _total(_ENTRIES, lambda labels: labels == ("1h", "CRITICAL")), Limits(None, 1),
              "CRITICAL entry in the last hour"),
    Condition("high-risk", (Part.SECURITY,), "entries of high risk in the last hour",
              _total(_ENTRIES, lambda labels: labels[0] == "1h"), _ONE, "entry of high risk in the last hour"),
    Condition("anomalies", (Part.ANOMALIES,), "anomalies in the last 24 hours", _total("kms_anomalies"), _ONE,
              "anomaly in the last 24 hours"),
    Condition("hsm-offline", (Part.HSMS,), "HSMs in use are OFFLINE", _hsms("OFFLINE"), Limits(None, 1),
              "HSM in use is OFFLINE"),
    Condition("hsm-degraded", (Part.HSMS,), "HSMs in use are DEGRADED", _hsms("DEGRADED"), _ONE,
              "HSM in use is DEGRADED"),
    Condition("hsm-unchecked", (Part.HSMS,), "HSMs in use were not checked in the last hour", _unchecked_hsms, _ONE,
              "HSM in use was not checked in the last hour"),
    Condition("validation", (Part.RECORDS,), "since the last recorded validation",
              _age("kms_validation_timestamp_seconds", newest=True), Limits(_LIMITS.validation, None), unit="s"),
    Condition("validation-errors", (Part.RECORDS,), "errors in the last recorded validation",
              _most("kms_validation_findings", lambda labels: labels[1] == "error"), Limits(None, 1),
              "error in the last recorded validation"),
    Condition("validation-unchecked", (Part.RECORDS,), "checks could not run in the last recorded validation",
              _most("kms_validation_unchecked"), _ONE, "check could not run in the last recorded validation"),
    Condition("dashboard", (Part.KEYS,), "since the last refresh of a view",
              _age("kms_view_refresh_timestamp_seconds"), Limits(_LIMITS.refresh, None), unit="s"),
)  # fmt: skip
"""The conditions, in the order of the output."""

NAMES: Mapping[str, Condition] = {each.name: each for each in CONDITIONS}


@dataclass(frozen=True)
class Judged:
    """A condition with its value and status."""

    condition: Condition
    value: float | None
    """None if it is unknown, or there is nothing to compare."""
    limits: Limits
    status: Status


def judge(snapshot: Snapshot, limits: Mapping[str, Limits] | None = None) -> list[Judged]:
    """Return the status of each condition. A condition of a part that failed is UNKNOWN, never OK.

    limits: those of some conditions by name, instead of the default ones. Example::

        worst = max(each.status for each in judge(take_snapshot(connection)))
    """
    failed = snapshot.failures()
    result = []
    for each in CONDITIONS:
        chosen = (limits or {}).get(each.name, each.limits)
        unknown = any(part in failed for part in each.parts)
        value = None if unknown else each.value(snapshot)
        result.append(Judged(each, value, chosen, Status.UNKNOWN if unknown else each.judge(value, chosen)))
    return result
