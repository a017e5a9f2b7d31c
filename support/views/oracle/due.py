"""The rows of `rotations_due`."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from support.views.oracle.rows import DAY, Row, Tables, about, live_version

MEGABYTE = 1024 * 1024

LEAST_URGENT_FIRST = ("time", "age", "usage", "volume", "compliance", "expiry", "incident")
WINDOW = ("rotation_window_start", "rotation_window_end", "timezone")
NEVER_DAYS = 700_000
MOST_NOTICE_HOURS = 8_766_000
LONGEST_RETRY = 8 * DAY


@dataclass(frozen=True)
class Cause:
    """One policy's reason for rotating one key."""

    reason: str
    policy: Row | None
    due_at: dt.datetime | None
    passed: bool

    @property
    def rank(self) -> tuple[Any, ...]:
        """Sorts the most urgent cause first."""
        return (
            not self.passed,
            -LEAST_URGENT_FIRST.index(self.reason),
            self.due_at or dt.datetime.min.replace(tzinfo=dt.UTC),
            self.policy["policy_name"].encode() if self.policy else b"",
        )


def rotations_due(tables: Tables, at: dt.datetime) -> list[Row]:
    """Return the active keys that a policy or their own limit wants rotated, unless somebody is at it already."""
    rows = []
    for key in tables["key_masters"]:
        if key["status"] != "active" or _in_hand(key, tables):
            continue
        live = live_version(key, tables)
        causes = sorted(
            [
                *_own_limit(key, live),
                *(
                    cause
                    for policy in tables["rotation_policies"]
                    if policy["is_active"] and policy["key_type"] == key["key_type"]
                    for cause in _causes(key, live, policy, tables, at)
                ),
            ],
            key=lambda cause: cause.rank,
        )
        if causes:
            first = causes[0]
            rows.append(
                {name: key[name] for name in ("id", "key_id", "key_type")}
                | {
                    "live_version": live and live["version_number"],
                    "reason": first.reason,
                    "reasons": list(dict.fromkeys(cause.reason for cause in causes)),
                    "policy_id": first.policy and first.policy["id"],
                    "policy_name": first.policy and first.policy["policy_name"],
                    "due_at": first.due_at,
                    "overdue": first.passed,
                }
                | {name: first.policy and first.policy[name] for name in WINDOW}
            )
    return rows


def _in_hand(key: Row, tables: Tables) -> bool:
    return any(
        rotation["status"] in ("SCHEDULED", "RUNNING")
        or (
            rotation["status"] == "FAILED"
            and rotation["retry_count"] < rotation["max_retries"]
            and rotation["next_retry_at"] is not None
            and rotation["failed_at"] is not None
            and rotation["next_retry_at"] <= rotation["failed_at"] + LONGEST_RETRY
            and not any(
                success["status"] == "COMPLETED" and success["completed_at"] >= rotation["failed_at"]
                for success in about(key, tables["key_rotations"])
            )
        )
        for rotation in about(key, tables["key_rotations"])
    )


def _own_limit(key: Row, live: Row | None) -> Iterator[Cause]:
    most = [key["max_usage_count"], 2**31 if key["algorithm"] == "AES-256-GCM" else 10**15]
    limit = min((each for each in most if each is not None), default=None)
    if live is not None and limit is not None and live["usage_count"] * 10 >= limit * 9:
        yield Cause("usage", None, None, passed=live["usage_count"] >= limit)


def _causes(key: Row, live: Row | None, policy: Row, tables: Tables, at: dt.datetime) -> Iterator[Cause]:
    yield from _dates(key, live, policy, at)
    yield from _counters(live, policy)
    yield from _events(key, policy, tables)


def _dates(key: Row, live: Row | None, policy: Row, at: dt.datetime) -> Iterator[Cause]:
    notice = dt.timedelta(hours=min(policy["notify_before_rotation_hours"], MOST_NOTICE_HOURS))
    dates: tuple[tuple[str, Any, Any], ...] = (
        ("time", key["rotated_at"] or key["activated_at"], policy["rotation_interval_days"]),
        ("age", live and live["activated_at"], policy["max_key_age_days"]),
        ("expiry", key["expires_at"], 0),
    )
    for reason, since, days in dates:
        if since is not None and days is not None and days < NEVER_DAYS and since - at + days * DAY <= notice:
            yield Cause(reason, policy, since + days * DAY, since + days * DAY <= at)


def _counters(live: Row | None, policy: Row) -> Iterator[Cause]:
    limits = (
        ("usage", "usage_count", "max_operations", 1),
        ("volume", "data_volume_bytes", "max_data_volume_mb", MEGABYTE),
    )
    for reason, counter, limit, unit in limits:
        if live is not None and policy[limit] is not None and live[counter] >= policy[limit] * unit:
            yield Cause(reason, policy, None, passed=True)


def _events(key: Row, policy: Row, tables: Tables) -> Iterator[Cause]:
    wanted = (
        ("compliance", "rotate_on_compliance_requirement", "COMPLIANCE", "event_type", "ROTATION_REQUIRED"),
        ("incident", "rotate_on_security_incident", "SECURITY", "security_level", "CRITICAL"),
    )
    for reason, flag, category, column, value in wanted:
        times = [
            entry["timestamp"]
            for entry in about(key, tables["key_audit_logs"])
            if entry["event_category"] == category
            and entry[column] == value
            and (key["rotated_at"] is None or entry["timestamp"] > key["rotated_at"])
        ]
        if policy[flag] and times:
            yield Cause(reason, policy, min(times), passed=True)
