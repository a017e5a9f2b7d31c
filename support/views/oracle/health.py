"""The rows of `key_health_monitor`."""

import datetime as dt

from support.views.oracle.due import rotations_due
from support.views.oracle.rows import DAY, Row, Tables, about, day_of, live_version


def key_health_monitor(tables: Tables, at: dt.datetime) -> list[Row]:
    """Return the health of every key that is not archived."""
    overdue = {row["id"] for row in rotations_due(tables, at) if row["overdue"]}
    return [
        _health(key, tables, at, key["id"] in overdue) for key in tables["key_masters"] if key["status"] != "archived"
    ]


def _health(key: Row, tables: Tables, at: dt.datetime, overdue: bool) -> Row:
    live = live_version(key, tables)
    most = key["max_usage_count"]
    used = None if most is None else 100 * (live["usage_count"] if live else 0) // most
    hour = at.replace(minute=0, second=0, microsecond=0)
    events = sum(
        entry["security_level"] in ("HIGH", "CRITICAL") and entry["timestamp"] >= hour - DAY
        for entry in about(key, tables["key_audit_logs"])
    )
    alert = expires_alert(key, at)
    penalties = {
        "KEY_EXPIRED": 80 * is_expired(key, at),
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
        "days_until_expiration": days_until_expiration(key, at),
        "expires_alert": alert,
        "security_warnings": [warning for warning, points in penalties.items() if points],
        "recent_security_events": events,
    }


def is_expired(key: Row, at: dt.datetime) -> bool:
    return key["status"] == "expired" or (key["expires_at"] is not None and key["expires_at"] <= at)


def days_until_expiration(key: Row, at: dt.datetime) -> int | None:
    return None if key["expires_at"] is None else (day_of(key["expires_at"]) - day_of(at)).days


def expires_alert(key: Row, at: dt.datetime) -> int | None:
    days = days_until_expiration(key, at)
    if days is None or is_expired(key, at):
        return None
    return next((limit for limit in (1, 7, 30) if days <= limit), None)


def _failures_since_success(key: Row, tables: Tables) -> int:
    rotations = about(key, tables["key_rotations"])
    successes = [rotation["completed_at"] for rotation in rotations if rotation["status"] == "COMPLETED"]
    successes += [each["activated_at"] for each in about(key, tables["key_versions"]) if each["activated_at"]]
    return sum(
        rotation["retry_count"] + (rotation["status"] == "FAILED")
        for rotation in rotations
        if rotation["status"] != "COMPLETED"
        and rotation["failed_at"] is not None
        and all(rotation["failed_at"] > success for success in successes)
    )
