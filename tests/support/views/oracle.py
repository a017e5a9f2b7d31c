"""What the three views must show, computed in Python: their rules written a second time, from plain rows.

`Tables` has the rows of each table as dictionaries: ids as `UUID`, times as aware `datetime`. Each function
takes them and the time to look at them, and returns the rows of the view of its name, in no particular order.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from math import floor
from typing import Any

Row = dict[str, Any]
Tables = dict[str, list[Row]]

DAY = dt.timedelta(days=1)
MEGABYTE = 1024 * 1024

LEAST_URGENT_FIRST = ("time", "age", "usage", "volume", "compliance", "expiry", "incident")
NEVER_DAYS = 700_000
MOST_NOTICE_HOURS = 8_766_000


@dataclass(frozen=True)
class Cause:
    """One policy's reason for rotating one key."""

    reason: str
    policy: Row
    due_at: dt.datetime | None
    passed: bool

    @property
    def rank(self) -> tuple[Any, ...]:
        """Sorts the most urgent cause first."""
        return (
            not self.passed,
            -LEAST_URGENT_FIRST.index(self.reason),
            self.due_at or dt.datetime.min.replace(tzinfo=dt.UTC),
            self.policy["policy_name"].encode(),
        )


def rotations_due(tables: Tables, at: dt.datetime) -> list[Row]:
    """Return the active keys that a policy wants rotated, unless somebody is at it already."""
    rows = []
    for key in tables["key_masters"]:
        if key["status"] != "active" or _in_hand(key, tables):
            continue
        live = _live_version(key, tables)
        causes = sorted(
            (
                cause
                for policy in tables["rotation_policies"]
                if policy["is_active"] and policy["key_type"] == key["key_type"]
                for cause in _causes(key, live, policy, tables, at)
            ),
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
                    "policy_id": first.policy["id"],
                    "policy_name": first.policy["policy_name"],
                    "due_at": first.due_at,
                    "overdue": first.passed,
                }
                | {name: first.policy[name] for name in ("rotation_window_start", "rotation_window_end", "timezone")}
            )
    return rows


def _in_hand(key: Row, tables: Tables) -> bool:
    return any(
        rotation["status"] in ("SCHEDULED", "RUNNING")
        or (
            rotation["status"] == "FAILED"
            and rotation["retry_count"] < rotation["max_retries"]
            and rotation["next_retry_at"] is not None
            and not any(
                success["status"] == "COMPLETED" and success["completed_at"] >= rotation["failed_at"]
                for success in _about(key, tables["key_rotations"])
            )
        )
        for rotation in _about(key, tables["key_rotations"])
    )


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
            for entry in _about(key, tables["key_audit_logs"])
            if entry["event_category"] == category
            and entry[column] == value
            and (key["rotated_at"] is None or entry["timestamp"] > key["rotated_at"])
        ]
        if policy[flag] and times:
            yield Cause(reason, policy, min(times), passed=True)


def key_health_monitor(tables: Tables, at: dt.datetime) -> list[Row]:
    """Return the health of every key that is not archived."""
    overdue = {row["id"] for row in rotations_due(tables, at) if row["overdue"]}
    return [
        _health(key, tables, at, key["id"] in overdue) for key in tables["key_masters"] if key["status"] != "archived"
    ]


def _health(key: Row, tables: Tables, at: dt.datetime, overdue: bool) -> Row:
    used = None if key["max_usage_count"] is None else 100 * _use(key, tables) // key["max_usage_count"]
    hour = at.replace(minute=0, second=0, microsecond=0)
    events = sum(
        entry["security_level"] in ("HIGH", "CRITICAL") and entry["timestamp"] >= hour - DAY
        for entry in _about(key, tables["key_audit_logs"])
    )
    alert = _expires_alert(key, at)
    penalties = {
        "KEY_EXPIRED": 80 * _is_expired(key, at),
        "KEY_EXPIRING_SOON": {1: 60, 7: 40, 30: 15, None: 0}[alert],
        "USAGE_EXHAUSTED": 60 * (used is not None and used >= 100),
        "HIGH_USAGE_COUNT": 25 * (used is not None and 90 <= used < 100),
        "PENDING_TOO_LONG": 20 * (key["status"] == "pending" and at - key["created_at"] > DAY),
        "ROTATION_OVERDUE": 30 * overdue,
        "REPEATED_ROTATION_FAILURE": 25 * (_failures_since_success(key, tables) >= 2),
        "NON_HSM_HIGH_SECURITY": 15 * (key["security_level"] == "MAXIMUM" and key["hsm_provider"] is None),
        "SECURITY_EVENTS": 30 if events >= 10 else 10 * (events >= 1),
    }
    copied = (
        *("id", "key_id", "key_type", "algorithm", "status", "security_level", "hsm_provider"),
        *("created_at", "activated_at", "expires_at", "expired_at", "revoked_at"),
    )
    return {name: key[name] for name in copied} | {
        "last_rotation_date": key["rotated_at"],
        "health_score": 0 if key["status"] == "revoked" else max(0, 100 - sum(penalties.values())),
        "usage_percentage": None if used is None else min(used, 2**31 - 1),
        "days_until_expiration": _days_until_expiration(key, at),
        "expires_alert": alert,
        "security_warnings": [warning for warning, points in penalties.items() if points],
        "recent_security_events": events,
    }


def _is_expired(key: Row, at: dt.datetime) -> bool:
    return key["status"] == "expired" or (key["expires_at"] is not None and key["expires_at"] <= at)


def _days_until_expiration(key: Row, at: dt.datetime) -> int | None:
    return None if key["expires_at"] is None else (_day(key["expires_at"]) - _day(at)).days


def _expires_alert(key: Row, at: dt.datetime) -> int | None:
    days = _days_until_expiration(key, at)
    if days is None or _is_expired(key, at):
        return None
    return next((limit for limit in (1, 7, 30) if days <= limit), None)


def _failures_since_success(key: Row, tables: Tables) -> int:
    rotations = _about(key, tables["key_rotations"])
    successes = [rotation["completed_at"] for rotation in rotations if rotation["status"] == "COMPLETED"]
    return sum(
        rotation["retry_count"] + (rotation["status"] == "FAILED")
        for rotation in rotations
        if rotation["status"] != "COMPLETED"
        and rotation["failed_at"] is not None
        and all(rotation["failed_at"] > success for success in successes)
    )


FIGURES = (
    *("key_type", "status", "hsm_provider", "key_count", "average_usage", "expiring_within_7_days"),
    *(
        "expiring_within_30_days",
        "oldest_key_at",
        "newest_key_at",
        "day",
        "rotation_count",
        "completed_count",
    ),
    *("failed_count", "success_rate", "average_execution_ms", "worst_execution_ms", "event_category"),
    *("security_level", "event_count", "average_risk_score", "max_risk_score"),
)


def key_management_dashboard(tables: Tables, at: dt.datetime) -> list[Row]:
    """Return the figures about keys, rotations and events; those that a row is not about are `None`."""
    figures = [*_key_figures(tables, at), *_rotation_figures(tables, at), *_event_figures(tables, at)]
    return [dict.fromkeys(FIGURES) | row | {"generated_at": at} for row in figures]


def _key_figures(tables: Tables, at: dt.datetime) -> Iterator[Row]:
    for (key_type, status, provider), keys in _grouped(
        tables["key_masters"], lambda key: (key["key_type"], key["status"], key["hsm_provider"])
    ):
        alerts = Counter(_expires_alert(key, at) for key in keys)
        yield {
            "row_key": f"keys/{key_type}/{status}/{provider or '-'}",
            "section": "keys",
            "key_type": key_type,
            "status": status,
            "hsm_provider": provider,
            "key_count": len(keys),
            "average_usage": _tenths(sum(_use(key, tables) for key in keys), len(keys)),
            "expiring_within_7_days": alerts[1] + alerts[7],
            "expiring_within_30_days": alerts[1] + alerts[7] + alerts[30],
            "oldest_key_at": min(key["created_at"] for key in keys),
            "newest_key_at": max(key["created_at"] for key in keys),
        }


def _rotation_figures(tables: Tables, at: dt.datetime) -> Iterator[Row]:
    for (day,), rotations in _grouped(
        _of_thirty_days(tables["key_rotations"], "scheduled_at", at),
        lambda rotation: (_day(rotation["scheduled_at"]),),
    ):
        statuses = Counter(rotation["status"] for rotation in rotations)
        times = [r["execution_time_ms"] for r in rotations if r["execution_time_ms"] is not None]
        yield {
            "row_key": f"rotations/{day}",
            "section": "rotations",
            "day": day,
            "rotation_count": len(rotations),
            "completed_count": statuses["COMPLETED"],
            "failed_count": statuses["FAILED"],
            "success_rate": _tenths(100 * statuses["COMPLETED"], statuses["COMPLETED"] + statuses["FAILED"]),
            "average_execution_ms": _tenths(sum(times), len(times)),
            "worst_execution_ms": max(times, default=None),
        }


def _event_figures(tables: Tables, at: dt.datetime) -> Iterator[Row]:
    for (day, category, level), entries in _grouped(
        _of_thirty_days(tables["key_audit_logs"], "timestamp", at),
        lambda entry: (_day(entry["timestamp"]), entry["event_category"], entry["security_level"]),
    ):
        risks = [entry["risk_score"] for entry in entries if entry["risk_score"] is not None]
        yield {
            "row_key": f"security_events/{day}/{category}/{level}",
            "section": "security_events",
            "day": day,
            "event_category": category,
            "security_level": level,
            "event_count": len(entries),
            "average_risk_score": _tenths(sum(risks), len(risks)),
            "max_risk_score": max(risks, default=None),
        }


def _of_thirty_days(rows: Iterable[Row], time: str, at: dt.datetime) -> list[Row]:
    return [row for row in rows if 0 <= (_day(at) - _day(row[time])).days <= 29]


def _grouped(rows: Iterable[Row], by: Callable[[Row], tuple[Any, ...]]) -> Iterator[tuple[tuple[Any, ...], list[Row]]]:
    def sortable(row: Row) -> tuple[str, ...]:
        return tuple(map(str, by(row)))

    for _, group in groupby(sorted(rows, key=sortable), key=sortable):
        together = list(group)
        yield by(together[0]), together


def _tenths(total: int, count: int) -> float | None:
    """Return the quotient rounded half up to one decimal."""
    return floor(Fraction(10 * total, count) + Fraction(1, 2)) / 10 if count else None


def _about(key: Row, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["key_id"] == key["id"]]


def _live_version(key: Row, tables: Tables) -> Row | None:
    versions = _about(key, tables["key_versions"])
    return next((v for v in versions if v["activated_at"] is not None and v["deactivated_at"] is None), None)


def _use(key: Row, tables: Tables) -> int:
    of_versions: int = sum(version["usage_count"] for version in _about(key, tables["key_versions"]))
    total: int = key["usage_count"]
    return max(total, of_versions)


def _day(time: dt.datetime) -> dt.date:
    return time.astimezone(dt.UTC).date()
