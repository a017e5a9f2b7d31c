"""`rotations_due` names the keys that its rules make due, from the notice on, and no others."""

import datetime as dt

import pytest

from support.views.oracle import Row, Tables
from support.views.view_fixture import NOW, ViewFixture, entry, master, policy, rotation, version

pytestmark = pytest.mark.versions("oldest and newest")

MICROSECOND = dt.timedelta(microseconds=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def due(view_fixture: ViewFixture, **tables: list[Row]) -> tuple[list[str], bool] | None:
    """Return reasons and `overdue` of the only key that is due, or `None`."""
    shown = view_fixture.look("rotations_due", **tables)
    assert len(shown) <= 1
    return (shown[0]["reasons"], shown[0]["overdue"]) if shown else None


DATED = {
    "time since the last rotation": (
        "time",
        {"rotation_interval_days": 90},
        {"rotated_at": -90 * DAY, "activated_at": -200 * DAY},
        {},
    ),
    "time since activation": ("time", {"rotation_interval_days": 90}, {"activated_at": -90 * DAY}, {}),
    "age of the live version": ("age", {"max_key_age_days": 30}, {}, {"activated_at": -30 * DAY}),
    "expiry": ("expiry", {}, {"expires_at": 0 * DAY}, {}),
}
"""How a key, its version and a policy make a date the present: reason, policy, and times relative to now."""


@pytest.mark.parametrize(
    ("until", "overdue"),
    [
        (24 * HOUR + MICROSECOND, None),
        (24 * HOUR, False),
        (MICROSECOND, False),
        (0 * HOUR, True),
        (-MICROSECOND, True),
        (-400 * DAY, True),
    ],
    ids=str,
)
@pytest.mark.parametrize("rule", DATED)
def test_a_date_makes_a_key_due_from_the_notice_on(
    view_fixture: ViewFixture, rule: str, until: dt.timedelta, overdue: bool | None
) -> None:
    reason, limits, key_times, version_times = DATED[rule]
    key = master(**{name: NOW + since + until for name, since in key_times.items()})
    live = version(key, **{name: NOW + since + until for name, since in version_times.items()})
    shown = view_fixture.look(
        "rotations_due", key_masters=[key], key_versions=[live], rotation_policies=[policy(**limits)]
    )
    assert [(row["reasons"], row["overdue"], row["due_at"]) for row in shown] == (
        [] if overdue is None else [([reason], overdue, NOW + until)]
    )


@pytest.mark.parametrize(
    ("reason", "limits", "counters"),
    [
        ("usage", {"max_operations": 100}, {"usage_count": 100}),
        ("volume", {"max_data_volume_mb": 3}, {"data_volume_bytes": 3 * 1024 * 1024}),
    ],
)
def test_a_counter_of_the_live_version_makes_a_key_due_at_its_limit(
    view_fixture: ViewFixture, reason: str, limits: Row, counters: Row
) -> None:
    key = master(usage_count=10**9)
    below = {name: limit - 1 for name, limit in counters.items()}
    ended = version(key, version_number=1, deactivated_at=NOW - DAY, usage_count=10**9, data_volume_bytes=10**9)
    unused = version(key, version_number=3, activated_at=None, usage_count=10**9, data_volume_bytes=10**9)
    tables = {"key_masters": [key], "rotation_policies": [policy(**limits)]}
    for counted, answer in ((below, None), (counters, ([reason], True))):
        live = version(key, version_number=2, **counted)
        assert due(view_fixture, key_versions=[ended, live, unused], **tables) == answer


EVENTS = {
    "incident": (
        {"rotate_on_security_incident": True},
        {"event_category": "SECURITY", "security_level": "CRITICAL"},
        [{"event_category": "LIFECYCLE"}, {"security_level": "HIGH"}],
    ),
    "compliance": (
        {"rotate_on_compliance_requirement": True},
        {"event_category": "COMPLIANCE", "event_type": "ROTATION_REQUIRED"},
        [{"event_category": "POLICY"}, {"event_type": "ROTATION_ADVISED"}],
    ),
}


@pytest.mark.parametrize("reason", EVENTS)
@pytest.mark.parametrize(
    ("rotated", "answered"), [(None, False), (-MICROSECOND, False), (0 * HOUR, True), (MICROSECOND, True)], ids=str
)
def test_an_event_makes_a_key_due_until_it_is_rotated(
    view_fixture: ViewFixture, reason: str, rotated: dt.timedelta | None, answered: bool
) -> None:
    wanted, event, _ = EVENTS[reason]
    first, second = NOW - 3 * HOUR, NOW - HOUR
    key = master(rotated_at=None if rotated is None else second + rotated)
    entries = [entry(key, timestamp=time, **event) for time in (second, first)]
    shown = view_fixture.look(
        "rotations_due", key_masters=[key], rotation_policies=[policy(**wanted)], key_audit_logs=entries
    )
    assert [(row["reasons"], row["overdue"], row["due_at"]) for row in shown] == (
        [] if answered else [([reason], True, first if rotated is None else second)]
    )


@pytest.mark.parametrize("reason", EVENTS)
def test_other_events_and_disabled_causes_make_no_key_due(view_fixture: ViewFixture, reason: str) -> None:
    wanted, event, others = EVENTS[reason]
    key, another = master(), master(key_type="tls")
    entries = [entry(key, **event | other) for other in others] + [entry(None, **event), entry(another, **event)]
    tables = {"key_masters": [key, another], "rotation_policies": [policy(**wanted)]}
    assert due(view_fixture, key_audit_logs=entries, **tables) is None
    without = policy(**dict.fromkeys(wanted, False))
    assert (
        due(view_fixture, key_masters=[key], rotation_policies=[without], key_audit_logs=[entry(key, **event)]) is None
    )


@pytest.mark.parametrize(
    ("over", "limits"),
    [
        *(({"status": status}, {}) for status in ("pending", "rotated", "expired", "revoked", "archived")),
        ({"key_type": "tls"}, {}),
        ({}, {"is_active": False}),
    ],
    ids=str,
)
def test_only_active_keys_of_an_active_policys_type_are_due(view_fixture: ViewFixture, over: Row, limits: Row) -> None:
    all_limits = {"rotation_interval_days": 1, "max_key_age_days": 1, "max_operations": 1, "max_data_volume_mb": 1}
    asking = policy(**all_limits, rotate_on_security_incident=True, rotate_on_compliance_requirement=True)
    long_ago = NOW - 99 * DAY

    def tables(key: Row, limit: Row) -> Tables:
        return {
            "key_masters": [key],
            "key_versions": [version(key, activated_at=long_ago, usage_count=9**9, data_volume_bytes=9**9)],
            "rotation_policies": [limit],
            "key_audit_logs": [entry(key, **event) for _, event, _ in EVENTS.values()],
        }

    key = master(activated_at=long_ago, expires_at=NOW)
    every_reason = ["incident", "expiry", "compliance", "volume", "usage", "age", "time"]
    assert due(view_fixture, **tables(key, asking)) == (every_reason, True)
    assert due(view_fixture, **tables(key | over, asking | limits)) is None


FAILED = {"status": "FAILED", "failed_at": NOW - 2 * DAY}


@pytest.mark.parametrize(
    ("over", "is_due"),
    [
        ({"status": "COMPLETED"}, True),
        ({"status": "COMPLETED", "next_retry_at": NOW - DAY, "retry_count": 1}, True),
        ({"status": "SCHEDULED"}, False),
        ({"status": "RUNNING"}, False),
        (FAILED | {"next_retry_at": None}, True),
        (FAILED | {"next_retry_at": NOW - DAY, "retry_count": 2}, False),
        (FAILED | {"next_retry_at": NOW + DAY, "retry_count": 3}, True),
        (FAILED | {"next_retry_at": NOW + 6 * DAY}, False),
        (FAILED | {"next_retry_at": NOW + 6 * DAY + MICROSECOND}, True),
        (FAILED | {"next_retry_at": dt.datetime(9999, 12, 31, tzinfo=dt.UTC)}, True),
    ],
    ids=str,
)
def test_a_key_that_is_being_rotated_is_not_due(view_fixture: ViewFixture, over: Row, is_due: bool) -> None:
    key = master(expires_at=NOW)
    tables = {"key_masters": [key], "rotation_policies": [policy()], "key_rotations": [rotation(key, **over)]}
    assert (due(view_fixture, **tables) is not None) == is_due


@pytest.mark.parametrize(("succeeded", "is_due"), [(-HOUR, False), (0 * HOUR, True), (HOUR, True)], ids=str)
def test_a_retry_is_pending_no_more_once_another_rotation_has_succeeded(
    view_fixture: ViewFixture, succeeded: dt.timedelta, is_due: bool
) -> None:
    key = master(expires_at=NOW)
    failure = rotation(key, status="FAILED", failed_at=NOW - DAY, next_retry_at=NOW - HOUR, retry_count=0)
    success = rotation(key, status="COMPLETED", completed_at=NOW - DAY + succeeded)
    tables = {"key_masters": [key], "rotation_policies": [policy()], "key_rotations": [failure, success]}
    assert (due(view_fixture, **tables) is not None) == is_due


def test_a_passed_limit_precedes_a_near_one_and_then_reasons_have_an_order(view_fixture: ViewFixture) -> None:
    key = master(activated_at=NOW - 90 * DAY, expires_at=NOW + HOUR)
    live = version(key, activated_at=NOW - 30 * DAY + HOUR, version_number=7)
    timed = policy(
        rotation_interval_days=90, rotation_window_start="22:00", rotation_window_end="02:00", timezone="Asia/Tokyo"
    )
    aged = policy(max_key_age_days=30)
    shown = view_fixture.look("rotations_due", key_masters=[key], key_versions=[live], rotation_policies=[aged, timed])
    assert shown == [
        {
            "id": key["id"],
            "key_id": key["key_id"],
            "key_type": "dek",
            "live_version": 7,
            "reason": "time",
            "reasons": ["time", "expiry", "age"],
            "policy_id": timed["id"],
            "policy_name": timed["policy_name"],
            "due_at": NOW,
            "overdue": True,
            "rotation_window_start": "22:00",
            "rotation_window_end": "02:00",
            "timezone": "Asia/Tokyo",
        }
    ]


def test_of_several_policies_the_first_to_be_reached_counts_and_then_the_name(view_fixture: ViewFixture) -> None:
    key = master(activated_at=NOW - 100 * DAY)
    policies = [
        policy(policy_name="b", rotation_interval_days=60),
        policy(policy_name="Z", rotation_interval_days=60),
        policy(policy_name="a", rotation_interval_days=70),
        policy(policy_name="A", rotation_interval_days=101, notify_before_rotation_hours=48),
        policy(policy_name="0", rotation_interval_days=102),
    ]
    for _ in policies:
        policies = [*policies[1:], policies[0]]
        (shown,) = view_fixture.look("rotations_due", key_masters=[key], rotation_policies=policies)
        assert (shown["policy_name"], shown["due_at"], shown["reasons"]) == ("Z", NOW - 40 * DAY, ["time"])


def test_limits_beyond_all_times_are_never_reached_and_those_of_counters_are(view_fixture: ViewFixture) -> None:
    key = master(activated_at=dt.datetime(1, 1, 1, tzinfo=dt.UTC), expires_at=NOW + 9000 * DAY)
    live = version(key, activated_at=key["activated_at"], usage_count=8 * 10**14, data_volume_bytes=2**53)
    largest = policy(rotation_interval_days=2**31 - 1, max_key_age_days=2**31 - 1)
    tables = {"key_masters": [key], "key_versions": [live]}
    assert due(view_fixture, rotation_policies=[largest], **tables) is None
    noticed = largest | {"notify_before_rotation_hours": 2**31 - 1}
    assert due(view_fixture, rotation_policies=[noticed], **tables) == (["expiry"], False)
    assert due(view_fixture, rotation_policies=[policy(max_data_volume_mb=2**33)], **tables) == (["volume"], True)
    tables["key_versions"] = [live | {"usage_count": 10**15}]
    for policies in ([], [policy(max_operations=10**15)]):
        assert due(view_fixture, rotation_policies=policies, **tables) == (["usage"], True)
