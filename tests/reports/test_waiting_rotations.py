"""A rotation that is planned, or is to be tried again, hides no key that is past its limit."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.engines import Database
from support.engines.database import Connection
from support.rows import smallest
from support.rows.smallest import Row, audit_entry, insert
from tests.audit.trails import seal_all
from tests.reports.populated import write
from tests.rotations.setups import DAY, HOUR, a_key, a_policy, a_rotation, set_values

pytestmark = pytest.mark.versions("oldest and newest")


def claim(connection: Connection, folder: Path, name: str) -> dict[str, Any]:
    (found,) = [each for each in write(connection, folder).document["claims"] if each["name"] == name]
    return dict(found)


def overdue_keys(connection: Connection) -> dict[str, Row]:
    """Insert a key for each reason of `rotations_due`, and policies that make them overdue."""
    at = smallest.now()
    a_policy(connection, policy_name="by time", key_type="kek", rotation_interval_days=90)
    a_policy(connection, policy_name="by time too", key_type="kek", rotation_interval_days=95)
    a_policy(connection, policy_name="by age", key_type="dek", rotation_interval_days=None, max_key_age_days=30)
    a_policy(
        connection, policy_name="by use", key_type="tls", rotation_interval_days=None, max_operations=100,
        max_data_volume_mb=1, rotate_on_security_incident=True, rotate_on_compliance_requirement=True,
    )  # fmt: skip
    tls = {"key_type": "tls", "age": DAY}
    keys = {
        "time": a_key(connection, key_type="kek"),
        "expiry": a_key(connection, key_type="kek", expires_at=at - DAY),
        "age": a_key(connection, key_type="dek"),
        "usage": a_key(connection, **tls, live={"usage_count": 100}),
        "own": a_key(connection, **tls, live={"usage_count": 10}, max_usage_count=10),
        "volume": a_key(connection, **tls, live={"data_volume_bytes": 1048576}),
        "incident": a_key(connection, **tls, live={"usage_count": 100}),
        "compliance": a_key(connection, **tls),
    }
    required = {"event_category": "COMPLIANCE", "event_type": "ROTATION_REQUIRED"}
    insert(connection, "key_audit_logs", **audit_entry(key_id=keys["compliance"]["id"], **required))
    seal_all(connection)
    incident = {"event_category": "SECURITY", "security_level": "CRITICAL"}
    insert(connection, "key_audit_logs", **audit_entry(key_id=keys["incident"]["id"], **incident))
    return keys


def test_a_planned_rotation_leaves_a_key_overdue(database: Database, tmp_path: Path) -> None:
    with closing(database.connect()) as connection:
        keys = overdue_keys(connection)
        near = a_key(connection, key_type="tls", age=DAY, live={"usage_count": 9}, max_usage_count=10)
        before = claim(connection, tmp_path, "rotated-in-time")
        at = smallest.now()
        for key in (*keys.values(), near):
            a_rotation(connection, key, scheduled_at=at + 3650 * DAY)
        after = claim(connection, tmp_path, "rotated-in-time")
    assert [row[5:] for row in before["violations"]["rows"]] == 8 * [[None, None]]
    assert {row[2] for row in before["violations"]["rows"]} == {*keys} - {"own"}
    assert after["state"] == "not satisfied"
    assert [row[:5] for row in after["violations"]["rows"]] == [row[:5] for row in before["violations"]["rows"]]
    assert {row[5] for row in after["violations"]["rows"]} == {"SCHEDULED"}
    assert {row[6][:4] for row in after["violations"]["rows"]} == {str((at + 3650 * DAY).year)}


def test_a_retry_counts_if_it_is_planned_within_a_week_and_is_not_late(database: Database, tmp_path: Path) -> None:
    at = smallest.now()
    with closing(database.connect()) as connection:
        a_policy(connection, key_type="kek", rotation_interval_days=90)
        failed = {"scheduled_at": at - 42 * DAY, "started_at": at - 41 * DAY, "failed_at": at - 40 * DAY}
        key = a_key(connection, key_type="kek", age=300 * DAY)
        rotation = a_rotation(connection, key, **failed, status="FAILED", retry_count=1, next_retry_at=at - 39 * DAY)
        states, found = [], []
        for retried in (8 * DAY, -2 * HOUR, 2 * HOUR, -39 * DAY):
            set_values(connection, rotation["id"], next_retry_at=at + retried)
            states.append(claim(connection, tmp_path, "rotations-succeed")["state"])
            found += [row[2:6:3] for row in claim(connection, tmp_path, "rotated-in-time")["violations"]["rows"]]
    assert states == ["not satisfied", "satisfied", "satisfied", "not satisfied"]
    # Each once, also from rotations_due, which has a key whose retry is put off for more than eight days.
    assert found == [*3 * [["time", None]], ["time", "FAILED"]]
