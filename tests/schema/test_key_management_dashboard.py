"""`key_management_dashboard` counts what its sections say, to the day."""

import datetime as dt
from typing import Any

import pytest

from support.views.oracle import Row
from support.views.view_fixture import NOW, ViewFixture, entry, failure, master, rotation, version

pytestmark = pytest.mark.versions("oldest and newest")

MICROSECOND = dt.timedelta(microseconds=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


def figures(view_fixture: ViewFixture, *names: str, **tables: list[Row]) -> dict[str, tuple[Any, ...]]:
    """Return some columns of the dashboard by `row_key`."""
    shown = view_fixture.look("key_management_dashboard", **tables)
    return {row["row_key"]: tuple(row[name] for name in names) for row in shown}


def test_the_dashboard_counts_keys_by_type_status_and_provider(view_fixture: ViewFixture) -> None:
    held = {"key_type": "hsm", "hsm_provider": "pkcs11"}
    keys = [
        master(usage_count=1, expires_at=MIDNIGHT + 8 * DAY - MICROSECOND),
        master(usage_count=1, expires_at=MIDNIGHT + 8 * DAY, created_at=NOW - 500 * DAY),
        master(usage_count=2, expires_at=NOW),
        master(usage_count=0, expires_at=MIDNIGHT + 31 * DAY, created_at=NOW - DAY),
        master(status="expired", expires_at=NOW + DAY, usage_count=2**40),
        master(**held),
    ]
    names = ("key_count", "average_usage", "expiring_within_7_days", "expiring_within_30_days")
    assert figures(view_fixture, *names, key_masters=keys, key_versions=[version(keys[3], usage_count=5)]) == {
        "keys/dek/active/-": (4, 2.3, 1, 2),  # 9 uses: 2.25, half up
        "keys/dek/expired/-": (1, float(2**40), 0, 0),
        "keys/hsm/active/pkcs11": (1, 0.0, 0, 0),
    }


def test_the_dashboard_shows_thirty_utc_days_of_rotations(view_fixture: ViewFixture) -> None:
    key, first = master(), MIDNIGHT - 29 * DAY
    rotations = [
        rotation(key, scheduled_at=first - MICROSECOND),
        rotation(key, scheduled_at=first, execution_time_ms=10),
        rotation(key, scheduled_at=first, execution_time_ms=11),
        failure(key, scheduled_at=first + DAY - MICROSECOND, execution_time_ms=10**12),
        rotation(key, scheduled_at=NOW, status="RUNNING", completed_at=None),
        rotation(key, scheduled_at=MIDNIGHT + DAY, status="SCHEDULED", completed_at=None),
    ]
    names = ("rotation_count", "completed_count", "failed_count", "success_rate", "worst_execution_ms")
    assert figures(view_fixture, *names, key_rotations=rotations) == {
        f"rotations/{first:%Y-%m-%d}": (3, 2, 1, 66.7, 10**12),
        f"rotations/{NOW:%Y-%m-%d}": (1, 0, 0, None, None),
    }


def test_the_dashboard_shows_thirty_utc_days_of_events_by_category_and_level(view_fixture: ViewFixture) -> None:
    first = MIDNIGHT - 29 * DAY
    entries = [
        entry(None, timestamp=first - MICROSECOND),
        entry(None, timestamp=first, risk_score=10),
        entry(master(), timestamp=first + DAY - MICROSECOND, risk_score=11),
        entry(None, timestamp=first, risk_score=None),
        entry(None, timestamp=first, security_level="HIGH"),
        entry(None, timestamp=MIDNIGHT + DAY - MICROSECOND, event_category="SECURITY", risk_score=100),
        entry(None, timestamp=MIDNIGHT + DAY),
    ]
    names = ("event_count", "average_risk_score", "max_risk_score")
    assert figures(view_fixture, *names, key_audit_logs=entries) == {
        f"security_events/{first:%Y-%m-%d}/LIFECYCLE/LOW": (3, 10.5, 11),
        f"security_events/{first:%Y-%m-%d}/LIFECYCLE/HIGH": (1, None, None),
        f"security_events/{NOW:%Y-%m-%d}/SECURITY/LOW": (1, 100.0, 100),
    }
