"""A rotation that is open, or planned for later, hides no key that is overdue."""

import datetime as dt
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from kms_schema.monitoring import Snapshot, take_snapshot
from kms_schema.monitoring.conditions import judge
from kms_schema.vocabulary import KeyType
from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import Row, insert, now
from support.statements import adapt, dialect_of, execute
from support.violations.triggers_disabled import triggers_disabled
from tests.rotations.setups import DAY, HOUR, a_key, a_policy, a_rotation

pytestmark = pytest.mark.versions("oldest and newest")


def overdue(snapshot: Snapshot) -> dict[str, str]:
    """Return the reasons of the keys that are overdue, by their names."""
    assert snapshot.failures() == {}
    listed = {each.labels[1]: each.labels[3] for each in snapshot.by_name.get("kms_key_rotation_overdue", ())}
    total = sum(each.value for each in snapshot.by_name["kms_keys_rotation_overdue"])
    assert judged(snapshot)["overdue"] == total == len(listed)
    return listed


def judged(snapshot: Snapshot) -> dict[str, float | None]:
    return {each.condition.name: each.value for each in judge(snapshot)}


def used(connection: Connection, key: Row, count: int, *, column: str = "usage_count") -> None:
    counted = f"UPDATE key_versions SET {column} = :count WHERE key_id = :key"  # noqa: S608  (constants)
    execute(connection, counted, {"count": count, "key": adapt(key["id"], dialect_of(connection))})


def failed(at: dt.datetime, retry: dt.timedelta) -> dict[str, Any]:
    times = {"scheduled_at": at - 3 * HOUR, "started_at": at - 2 * HOUR, "failed_at": at - HOUR}
    return {"status": "FAILED", "retry_count": 1, "next_retry_at": at + retry, **times}


def test_a_key_is_overdue_a_day_after_its_limit_whatever_is_planned(database: Database) -> None:
    at = now()
    open_ones: dict[str, dict[str, Any]] = {
        "planned": {"scheduled_at": at + 3650 * DAY},
        "waiting": {"scheduled_at": at - 200 * DAY},
        "running": {"status": "RUNNING", "started_at": at, "claimed_by": "w", "lease_expires_at": at + 3650 * DAY},
        "failed": failed(at - 40 * DAY, DAY),
        "to retry": failed(at, 7 * DAY),
        "put off": failed(at, 3650 * DAY),
    }
    with closing(database.connect()) as connection:
        a_policy(connection, key_type=KeyType.KEK, rotation_interval_days=100)
        a_policy(connection, key_type=KeyType.KEK, rotation_interval_days=90)
        a_policy(connection, key_type=KeyType.TLS, rotation_interval_days=None, max_key_age_days=90)
        for name, plan in open_ones.items():
            a_rotation(connection, a_key(connection, key_id=name, key_type=KeyType.KEK, age=92 * DAY), **plan)
            a_rotation(connection, a_key(connection, key_id=f"new {name}", key_type="kek", age=90.5 * DAY), **plan)
            a_rotation(connection, a_key(connection, key_id=f"free {name}", key_type="backup", age=900 * DAY), **plan)
        aged = a_key(connection, key_id="aged", key_type=KeyType.TLS, age=92 * DAY)
        a_rotation(connection, aged, scheduled_at=at + 3650 * DAY)
        # No worker has the key of a retry that is put off for years: it is overdue from its limit on.
        late = dict.fromkeys([*open_ones, "new put off"], "time") | {"aged": "age"}
        assert overdue(take_snapshot(connection)) == late
        execute(connection, "UPDATE key_masters SET status = 'expired' WHERE key_id = 'planned'")
        assert "planned" not in overdue(take_snapshot(connection))


def test_a_counter_is_overdue_unless_its_rotation_is_near(database: Database) -> None:
    at = now()
    limits: dict[str, tuple[KeyType, dict[str, int]]] = {
        "usage": (KeyType.KEK, {"max_operations": 1000}),
        "own limit": (KeyType.TLS, {"max_operations": 9**9}),
        "volume": (KeyType.DEK, {"max_data_volume_mb": 1}),
    }
    expected = {}
    with closing(database.connect()) as connection:
        for reason, (key_type, limit) in limits.items():
            a_policy(connection, key_type=key_type, rotation_interval_days=None, **limit)
            own = 1000 if reason == "own limit" else None
            for name, plan in {
                "far": 2 * DAY,
                "old": -2 * DAY,
                "near": DAY / 2,
                "now": -HOUR,
                "below": 2 * DAY,
            }.items():
                key = a_key(connection, key_id=f"{reason} {name}", key_type=key_type, max_usage_count=own)
                count = 999 if name == "below" else 1000
                if reason == "volume":
                    used(connection, key, count * 1048576 // 1000, column="data_volume_bytes")
                else:
                    used(connection, key, count)
                a_rotation(connection, key, scheduled_at=at + plan)
            expected |= {f"{reason} {name}": "volume" if reason == "volume" else "usage" for name in ("far", "old")}
        assert overdue(take_snapshot(connection)) == expected


def test_an_entry_makes_a_key_overdue_after_a_day(database: Database) -> None:
    limits = {
        "incident": (KeyType.KEK, "rotate_on_security_incident"),
        "compliance": (KeyType.TLS, "rotate_on_compliance_requirement"),
    }
    at = now()
    with closing(database.connect()) as connection:
        for reason, (key_type, limit) in limits.items():
            either = {each: each == limit for _, each in limits.values()}
            a_policy(connection, key_type=key_type, rotation_interval_days=9000, **either)
            ages = {"two days": 2 * DAY, "today": HOUR, "rotated since": 101 * DAY}
            keys = {name: a_key(connection, key_id=f"{reason} {name}", key_type=key_type) for name in ages}
            for key in keys.values():
                a_rotation(connection, key, scheduled_at=at + 3650 * DAY)
            with triggers_disabled(connection):
                execute(
                    connection, "UPDATE key_masters SET rotated_at = activated_at WHERE key_id LIKE '%rotated since'"
                )
                for name, age in ages.items():
                    cause = {"key_id": keys[name]["id"], "sequence": 1, "reason": reason, "occurred_at": at - age}
                    insert(connection, "key_rotation_causes", **cause)
        assert overdue(take_snapshot(connection)) == {f"{reason} two days": reason for reason in limits}


def test_a_rotation_that_no_worker_takes_has_a_condition(database: Database) -> None:
    def waited(change: Callable[[], object]) -> float | None:
        change()
        snapshot = take_snapshot(connection)
        assert snapshot.failures() == {}
        found = {each.condition.name: each for each in judge(snapshot)}["waiting"]
        assert found.status == (found.value is not None and found.value >= 86400)
        return None if found.value is None else round(found.value / 86400)

    at = now()
    with closing(database.connect()) as connection:
        assert waited(lambda: None) is None
        key = a_key(connection)
        assert waited(lambda: a_rotation(connection, key, **failed(at - 40 * DAY, DAY))) == 39
        assert waited(lambda: a_rotation(connection, key, scheduled_at=at + DAY)) is None, "another one is open"
        assert waited(lambda: a_rotation(connection, scheduled_at=at - 3 * DAY)) == 3
        done = {"scheduled_at": at - 9 * DAY, "started_at": at - 9 * DAY, "completed_at": at - 8 * DAY}
        over = a_key(connection)
        a_rotation(connection, over, status="COMPLETED", **done)
        assert waited(lambda: a_rotation(connection, over, **failed(at - 20 * DAY, DAY))) == 3, "it was rotated since"
