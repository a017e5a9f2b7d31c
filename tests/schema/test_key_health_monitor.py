"""`key_health_monitor` takes off for each warning what its rule says, exactly at the limit."""

import datetime as dt

import pytest

from support.views.oracle import Row
from support.views.view_fixture import NOW, ViewFixture, entry, failure, master, policy, rotation, version

pytestmark = pytest.mark.versions("oldest and newest")

MICROSECOND = dt.timedelta(microseconds=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


def health(view_fixture: ViewFixture, key: Row, at: dt.datetime = NOW, **tables: list[Row]) -> tuple[int, list[str]]:
    """Return score and warnings of a key."""
    (shown,) = view_fixture.look("key_health_monitor", at, key_masters=[key], **tables)
    return shown["health_score"], shown["security_warnings"]


HEALTHY: tuple[int, list[str]] = (100, [])


@pytest.mark.parametrize(
    ("over", "answer"),
    [
        ({}, HEALTHY),
        ({"status": "revoked", "revoked_at": NOW}, (0, [])),
        ({"status": "expired", "expired_at": NOW}, (20, ["KEY_EXPIRED"])),
        ({"status": "expired", "expires_at": NOW + DAY}, (20, ["KEY_EXPIRED"])),
        ({"expires_at": NOW - MICROSECOND}, (20, ["KEY_EXPIRED"])),
        ({"expires_at": NOW}, (20, ["KEY_EXPIRED"])),
        ({"expires_at": NOW + MICROSECOND}, (40, ["KEY_EXPIRING_SOON"])),
        ({"expires_at": MIDNIGHT + 2 * DAY - MICROSECOND}, (40, ["KEY_EXPIRING_SOON"])),
        ({"expires_at": MIDNIGHT + 2 * DAY}, (60, ["KEY_EXPIRING_SOON"])),
        ({"expires_at": MIDNIGHT + 8 * DAY - MICROSECOND}, (60, ["KEY_EXPIRING_SOON"])),
        ({"expires_at": MIDNIGHT + 8 * DAY}, (85, ["KEY_EXPIRING_SOON"])),
        ({"expires_at": MIDNIGHT + 31 * DAY - MICROSECOND}, (85, ["KEY_EXPIRING_SOON"])),
        ({"expires_at": MIDNIGHT + 31 * DAY}, HEALTHY),
        ({"status": "pending", "created_at": NOW - DAY}, HEALTHY),
        ({"status": "pending", "created_at": NOW - DAY - MICROSECOND}, (80, ["PENDING_TOO_LONG"])),
        ({"security_level": "MAXIMUM"}, (85, ["NON_HSM_HIGH_SECURITY"])),
        ({"security_level": "MAXIMUM", "hsm_provider": "pkcs11"}, HEALTHY),
    ],
    ids=str,
)
def test_columns_of_a_key_lower_its_score(view_fixture: ViewFixture, over: Row, answer: tuple[int, list[str]]) -> None:
    assert health(view_fixture, master(**over)) == answer


@pytest.mark.parametrize("at", [MIDNIGHT, MIDNIGHT + 12 * HOUR, MIDNIGHT + DAY - MICROSECOND], ids=str)
def test_days_are_utc_days_and_an_alert_is_never_late(view_fixture: ViewFixture, at: dt.datetime) -> None:
    for days, alert in ((0, 1), (1, 1), (2, 7), (7, 7), (8, 30), (30, 30), (31, None)):
        for hours in (0, 4, 20):
            key = master(expires_at=max(MIDNIGHT + days * DAY + hours * HOUR, at + MICROSECOND))
            (shown,) = view_fixture.look("key_health_monitor", at, key_masters=[key])
            assert (shown["days_until_expiration"], shown["expires_alert"]) == (
                (days, alert) if key["expires_at"] < MIDNIGHT + (days + 1) * DAY else (days + 1, alert)
            )
            for limit in (1, 7, 30):
                assert key["expires_at"] - at > limit * DAY or shown["expires_alert"] <= limit


@pytest.mark.parametrize(
    ("over", "uses", "answer"),
    [
        ({"max_usage_count": 1000}, 899, HEALTHY),
        ({"max_usage_count": 1000}, 900, (75, ["HIGH_USAGE_COUNT"])),
        ({"max_usage_count": 1000}, 999, (75, ["HIGH_USAGE_COUNT"])),
        ({"max_usage_count": 1000}, 1000, (10, ["USAGE_EXHAUSTED", "ROTATION_OVERDUE"])),
        ({"max_usage_count": 1}, 10**15, (10, ["USAGE_EXHAUSTED", "ROTATION_OVERDUE"])),
        ({"max_usage_count": None}, 8 * 10**14, HEALTHY),
        ({"max_usage_count": None}, 10**15, (70, ["ROTATION_OVERDUE"])),
        ({"status": "expired", "max_usage_count": 1}, 1, (0, ["KEY_EXPIRED", "USAGE_EXHAUSTED"])),
    ],
    ids=str,
)
def test_use_of_the_live_version_lowers_the_score(
    view_fixture: ViewFixture, over: Row, uses: int, answer: tuple[int, list[str]]
) -> None:
    key = master(**over)
    assert health(view_fixture, key, key_versions=[version(key, usage_count=uses)]) == answer


def test_a_rotated_key_is_exhausted_no_more(view_fixture: ViewFixture) -> None:
    """Neither the uses of its former versions nor its lifetime total count."""
    key = master(max_usage_count=100, usage_count=10**9)
    former = version(key, version_number=1, deactivated_at=NOW - DAY, usage_count=10**9)
    unused = version(key, version_number=3, activated_at=None, usage_count=10**9)
    live = version(key, version_number=2, usage_count=40)
    for versions, answer in (([former, live, unused], 40), ([former, unused], 0), ([], 0)):
        (shown,) = view_fixture.look("key_health_monitor", key_masters=[key], key_versions=versions)
        assert (shown["usage_percentage"], shown["health_score"]) == (answer, 100)


def test_a_rotation_is_overdue_once_its_limit_is_passed(view_fixture: ViewFixture) -> None:
    key = master(activated_at=NOW - 90 * DAY)
    tables = {"rotation_policies": [policy(rotation_interval_days=90)]}
    assert health(view_fixture, key, NOW - MICROSECOND, **tables) == HEALTHY
    assert health(view_fixture, key, NOW, **tables) == (70, ["ROTATION_OVERDUE"])


def test_failures_count_since_the_last_success_retries_included(view_fixture: ViewFixture) -> None:
    key, success = master(), NOW - 5 * HOUR
    once, again = failure(key, failed_at=success + MICROSECOND), failure(key, failed_at=success + HOUR)
    warned = (75, ["REPEATED_ROTATION_FAILURE"])
    completed = rotation(key, completed_at=success)
    retried = {"status": "SCHEDULED", "retry_count": 2}
    for rotations, answer in (
        ([once], HEALTHY),
        ([once, again], warned),
        ([completed, once, again], warned),
        ([completed, once | {"failed_at": success}, again], HEALTHY),
        ([completed, once | {"retry_count": 1}], warned),
        ([again | retried], warned),
        ([again | retried | {"retry_count": 1}], HEALTHY),
        ([rotation(key, completed_at=NOW, retry_count=3, failed_at=NOW - HOUR)], HEALTHY),
    ):
        assert health(view_fixture, key, key_rotations=rotations) == answer
    for activated_at, answer in ((once["failed_at"] - MICROSECOND, warned), (again["failed_at"], HEALTHY)):
        versions = [version(key, activated_at=activated_at)]
        for failed in ([once, again], [again | retried]):
            assert health(view_fixture, key, key_rotations=failed, key_versions=versions) == answer


def test_events_count_from_the_full_hour_a_day_ago(view_fixture: ViewFixture) -> None:
    key = master()
    since = NOW.replace(minute=0, second=0, microsecond=0) - DAY
    loud = [entry(key, security_level=level, timestamp=since) for level in ("HIGH", "CRITICAL")]
    quiet = [
        entry(key, security_level="HIGH", timestamp=since - MICROSECOND),
        entry(key, security_level="MEDIUM", risk_score=100),
        entry(None, security_level="CRITICAL"),
        entry(master(), security_level="CRITICAL"),
    ]
    for events, answer in (
        (quiet, HEALTHY),
        (quiet + loud[:1], (90, ["SECURITY_EVENTS"])),
        (quiet + loud * 4 + loud[:1], (90, ["SECURITY_EVENTS"])),
        (quiet + loud * 5, (70, ["SECURITY_EVENTS"])),
    ):
        assert health(view_fixture, key, key_audit_logs=events) == answer


def test_the_monitor_has_all_keys_but_archived_ones(view_fixture: ViewFixture) -> None:
    statuses = ("pending", "active", "rotated", "expired", "revoked", "archived")
    shown = view_fixture.look("key_health_monitor", key_masters=[master(status=status) for status in statuses])
    assert sorted(row["status"] for row in shown) == sorted(statuses[:-1])
