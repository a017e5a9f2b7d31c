"""A due key gets one rotation, whichever host schedules it; failed rotations are planned again at their time."""

import datetime as dt
import json
from typing import Any

import pytest

from kms_schema.rotations import Scheduled
from support.rows import smallest
from support.rows.smallest import Row, insert
from support.shared import SharedDatabase
from support.statements import execute
from tests.rotations.setups import DAY, HOUR, a_key, a_policy, a_rotation, queue_of, set_values, stored

ALARM = {"event_category": "SECURITY", "security_level": "CRITICAL"}
DEMAND = {"event_category": "COMPLIANCE", "event_type": "ROTATION_REQUIRED"}
NO_DATE = {"rotation_interval_days": None, "max_operations": 10**9, "rotate_on_security_incident": False}
COMPLIANCE = NO_DATE | {"rotate_on_compliance_requirement": True}


def rotations(shared: SharedDatabase) -> list[tuple[Any, ...]]:
    query = "SELECT id FROM key_rotations ORDER BY scheduled_at, id"
    return [
        stored(shared.connection, rotation, "trigger", "status", "old_version", "scheduled_at", "trigger_details")
        for (rotation,) in execute(shared.connection, query).fetchall()
    ]


@pytest.mark.parametrize(
    ("reason", "trigger", "limits", "key", "live", "entry"),
    [
        ("time", "scheduled", {}, {}, {}, None),
        ("age", "scheduled", NO_DATE | {"max_key_age_days": 30}, {}, {}, None),
        ("usage", "usage_count", NO_DATE | {"max_operations": 7}, {}, {"usage_count": 7}, None),
        ("volume", "data_volume", NO_DATE | {"max_data_volume_mb": 1}, {}, {"data_volume_bytes": 1 << 20}, None),
        ("incident", "security_incident", NO_DATE | {"rotate_on_security_incident": True}, {}, {}, ALARM),
        ("compliance", "compliance", COMPLIANCE, {}, {}, DEMAND),
        ("expiry", "scheduled", NO_DATE, {"expires_at": HOUR}, {}, None),
    ],
)
def test_a_due_key_gets_one_rotation_with_its_reason(  # noqa: PLR0917  (pytest passes each by its name)
    shared: SharedDatabase, reason: str, trigger: str, limits: Row, key: Row, live: Row, entry: Row | None
) -> None:
    policy = a_policy(shared.connection, **limits)
    times = {name: smallest.now() + after for name, after in key.items()}
    made = a_key(shared.connection, live={"version_number": 3, **live}, **times)
    if entry:
        insert(shared.connection, "key_audit_logs", **smallest.audit_entry(**entry, key_id=made["id"]))
    queue = queue_of(shared.connection)
    assert [(row["reason"], row["key_id"]) for row in queue.due()] == [(reason, made["key_id"])]
    assert queue.schedule_due() == Scheduled(scheduled=1, retried=0, looked_at=0)
    ((found, status, old_version, scheduled_at, details),) = rotations(shared)
    assert (found, status, old_version) == (trigger, "SCHEDULED", 3)
    assert abs(scheduled_at - smallest.now()) < dt.timedelta(minutes=1)
    details = json.loads(details) if isinstance(details, str) else details
    assert details.keys() == {"reason", "reasons", "policy_name", "due_at"}
    assert (details["reason"], details["reasons"], details["policy_name"]) == (reason, [reason], policy["policy_name"])
    assert queue.due() == []
    assert queue.schedule_due() == Scheduled(scheduled=0, retried=0, looked_at=0)


@pytest.mark.parametrize("limit", [{"rotation_interval_days": 90}, NO_DATE | {"max_key_age_days": 90}], ids=str)
def test_a_key_that_is_due_later_is_planned_for_then(shared: SharedDatabase, limit: Row) -> None:
    a_policy(shared.connection, **limit)
    a_key(shared.connection, age=90 * DAY - 5 * HOUR)
    queue = queue_of(shared.connection)
    assert queue.schedule_due().scheduled == 1
    ((*_, scheduled_at, _),) = rotations(shared)
    assert abs(scheduled_at - (smallest.now() + 5 * HOUR)) < dt.timedelta(minutes=1)
    assert queue.claim("worker-1") is None


@pytest.mark.parametrize(("rotated", "scheduled"), [(None, 1), (30 * HOUR, 1), (2 * HOUR, 0)])
def test_a_key_that_only_expires_is_not_rotated_again_and_again(
    shared: SharedDatabase, rotated: dt.timedelta | None, scheduled: int
) -> None:
    """Its notice of 24 hours began 23 hours ago."""
    a_policy(shared.connection, **NO_DATE)
    key = a_key(shared.connection, expires_at=smallest.now() + HOUR)
    if rotated is not None:
        statement = "UPDATE key_masters SET rotated_at = :at WHERE id = :id"
        execute(shared.connection, statement, {"at": smallest.now() - rotated, "id": key["id"]})
    assert len(queue_of(shared.connection).due()) == 1
    assert queue_of(shared.connection).schedule_due().scheduled == scheduled


def test_a_round_plans_at_most_its_limit(shared: SharedDatabase) -> None:
    a_policy(shared.connection)
    for _ in range(5):
        a_key(shared.connection)
    queue = queue_of(shared.connection)
    assert [queue.schedule_due(limit=2).scheduled for _ in range(4)] == [2, 2, 1, 0]


def failed(shared: SharedDatabase, key: Row | None = None, **over: Any) -> Row:
    at = smallest.now() - 2 * HOUR
    times = {"started_at": at, "failed_at": at, "next_retry_at": smallest.now() - HOUR}
    return a_rotation(shared.connection, key, **{"status": "FAILED", **times, **over})


@pytest.mark.parametrize(
    ("over", "retried"),
    [
        ({}, 1),
        ({"next_retry_at": None}, 0),
        ({"next_retry_at": smallest.now() + DAY}, 0),
        ({"retry_count": 3}, 0),
        ({"retry_count": 2}, 1),
    ],
    ids=["now", "never", "later", "none left", "one left"],
)
def test_a_failed_rotation_is_planned_again_at_its_time(shared: SharedDatabase, over: Row, retried: int) -> None:
    rotation = failed(shared, **over)
    assert queue_of(shared.connection).schedule_due().retried == retried
    status, count, again = stored(shared.connection, rotation["id"], "status", "retry_count", "next_retry_at")
    assert status == ("SCHEDULED" if retried else "FAILED")
    assert count == over.get("retry_count", 0) + retried
    assert (again is None) == (retried or over.get("next_retry_at", 1) is None)


def test_a_retry_that_a_success_has_made_needless_is_forgotten(shared: SharedDatabase) -> None:
    rotation = failed(shared)
    at = smallest.now() - HOUR
    times = {"started_at": at, "completed_at": at}
    a_rotation(shared.connection, {"id": rotation["key_id"]}, status="COMPLETED", **times)
    assert queue_of(shared.connection).schedule_due().retried == 0
    assert stored(shared.connection, rotation["id"], "status", "next_retry_at") == ("FAILED", None)


def test_a_retry_does_not_open_a_second_rotation(shared: SharedDatabase) -> None:
    rotation = failed(shared)
    a_rotation(shared.connection, {"id": rotation["key_id"]})
    assert queue_of(shared.connection).schedule_due().retried == 0


def test_of_two_failures_of_a_key_the_last_is_tried_again(shared: SharedDatabase) -> None:
    first = failed(shared)
    last = failed(shared, {"id": first["key_id"]}, failed_at=smallest.now() - HOUR)
    assert queue_of(shared.connection).schedule_due().retried == 1
    assert stored(shared.connection, last["id"], "status") == ("SCHEDULED",)
    assert queue_of(shared.connection).schedule_due().retried == 0


NEVER = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)


def test_a_retry_that_is_put_off_for_ever_does_not_prevent_that_of_another_failure(shared: SharedDatabase) -> None:
    first = failed(shared)
    failed(shared, {"id": first["key_id"]}, failed_at=smallest.now() - HOUR, next_retry_at=NEVER)
    assert queue_of(shared.connection).schedule_due().retried == 1
    assert stored(shared.connection, first["id"], "status") == ("SCHEDULED",)


def test_a_key_whose_retry_is_put_off_for_ever_is_planned(shared: SharedDatabase) -> None:
    a_policy(shared.connection)
    failure = failed(shared)
    assert queue_of(shared.connection).due() == []
    set_values(shared.connection, failure["id"], next_retry_at=NEVER)
    assert len(queue_of(shared.connection).due()) == 1
    assert queue_of(shared.connection).schedule_due() == Scheduled(scheduled=1, retried=0, looked_at=0)


def test_a_key_that_is_not_active_any_more_is_not_tried_again(shared: SharedDatabase) -> None:
    rotation = failed(shared)
    execute(
        shared.connection,
        "UPDATE key_masters SET status = 'revoked', status_reason = 'leaked' WHERE id = :id",
        {"id": rotation["key_id"]},
    )
    assert queue_of(shared.connection).schedule_due().retried == 0
    set_values(shared.connection, rotation["id"], next_retry_at=None)


def index_bounds(shared: SharedDatabase) -> list[tuple[Any, ...]]:
    query = "SELECT usage_index_bound, volume_index_bound FROM key_versions ORDER BY usage_count"
    return [tuple(row) for row in execute(shared.connection, query).fetchall()]


def test_an_index_bound_is_below_the_next_limit_or_power_of_two_of_the_keys_own_type(shared: SharedDatabase) -> None:
    for key_type, limits in (("dek", (5000, 700)), ("kek", (10,))):
        for limit in limits:
            a_policy(shared.connection, key_type=key_type, max_operations=limit, max_data_volume_mb=limit)
    for usage_count in (0, 699, 700, 3000, 5000, 2**49, 10**15):
        a_key(shared.connection, live={"usage_count": usage_count, "data_volume_bytes": usage_count})
    usage = [699, 699, 1023, 4095, 8191, 9 * 10**14 - 1, 2**63 - 1]
    assert [found for found, _ in index_bounds(shared)] == usage
    assert [found for _, found in index_bounds(shared)] == [2**20 - 1] * 5 + [2**50 - 1] * 2
    execute(shared.connection, "UPDATE key_versions SET usage_count = 6000 WHERE usage_count = 3000")
    assert [found for found, _ in index_bounds(shared)] == [699, 699, 1023, 8191, 8191, 9 * 10**14 - 1, 2**63 - 1]


def test_a_new_limit_below_the_index_bounds_is_caught_up_with(shared: SharedDatabase) -> None:
    for number in range(3):
        a_key(shared.connection, live={"usage_count": number, "data_volume_bytes": (number + 1) << 20})
    assert index_bounds(shared) == [(1023, 2**21 - 1), (1023, 2**22 - 1), (1023, 2**22 - 1)]
    largest = {"max_operations": 10**15, "max_data_volume_mb": 2**33}
    for limits in ({"max_operations": 2}, {"max_data_volume_mb": 3}, largest):
        a_policy(shared.connection, **NO_DATE | limits)
    queue = queue_of(shared.connection)
    reasons = [row["reasons"] for row in queue.due()]
    if shared.dialect == "postgresql":  # a plan that asks again for each row what is joined
        for other in ("hashjoin", "mergejoin", "material", "hashagg", "sort", "indexscan", "bitmapscan"):
            execute(shared.connection, f"SET LOCAL enable_{other} = off")
    assert queue.backfill(limit=1) == 1
    assert queue.backfill() > 0
    assert queue.backfill() == 0
    assert index_bounds(shared) == [(1, 2**21 - 1), (1, 3 * 2**20 - 1), (1023, 2**22 - 1)]
    assert [row["reasons"] for row in queue.due()] == reasons


def test_clients_cannot_set_an_index_bound_or_a_type(shared: SharedDatabase) -> None:
    a_key(shared.connection, live={"usage_count": 7})
    for change in (
        "usage_index_bound = 6",
        "volume_index_bound = NULL",
        "key_type = 'kek'",
        "usage_index_bound = 9, usage_count = 8",
    ):
        execute(shared.connection, f"UPDATE key_versions SET {change}")  # noqa: S608
        found = execute(
            shared.connection, "SELECT key_type, usage_index_bound, volume_index_bound FROM key_versions"
        ).fetchone()
        assert found == ("dek", 1023, 2**20 - 1)
