"""A claim is one worker's until its lease ends, and nobody else's; then it is anybody's but that worker's."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from kms_schema.rotations import Backoff, Claim, LeaseLostError, RotationError, RotationQueue
from support.rows import smallest
from support.rows.smallest import insert
from support.shared import SharedDatabase
from support.statements import execute
from tests.rotations.setups import DAY, HOUR, a_key, a_policy, a_rotation, expire, queue_of, set_values, stored

pytestmark = pytest.mark.versions("oldest and newest")

MINUTE = dt.timedelta(minutes=1)
TWO_HOURS_AHEAD = "Etc/GMT-2"
"""A time zone: POSIX has the sign the other way round."""


def claimed(shared: SharedDatabase, worker: str = "worker-1", **over: Any) -> Claim:
    found = queue_of(shared.connection).claim(worker, **over)
    assert found is not None
    return found


def test_a_claim_has_the_data_of_the_rotation_and_the_row_its_worker(shared: SharedDatabase) -> None:
    key = a_key(shared.connection, live={"version_number": 2})
    rotation = a_rotation(shared.connection, key, trigger_details={"reason": "time"}, retry_count=1)
    claim = claimed(shared, lease=5 * MINUTE)
    assert (claim.id, claim.key_master_id, claim.key_id) == (rotation["id"], key["id"], key["key_id"])
    assert (claim.trigger, claim.details, claim.retry_count, claim.max_retries) == ("manual", {"reason": "time"}, 1, 3)
    assert (claim.old_version, claim.live_version, claim.taken_over_from) == (2, 2, None)
    assert abs(claim.lease_expires_at - (smallest.now() + 5 * MINUTE)) < MINUTE
    row = stored(shared.connection, claim.id, "status", "claimed_by", "lease_expires_at", "old_version")
    assert row == ("RUNNING", claim.claimed_by, claim.lease_expires_at, 2)
    assert claim.claimed_by.startswith("worker-1#")
    assert queue_of(shared.connection).claim("worker-2") is None
    assert queue_of(shared.connection).find(claim.id, claim.claimed_by) == claim


def test_the_live_version_at_scheduling_is_kept(shared: SharedDatabase) -> None:
    key = a_key(shared.connection)
    a_rotation(shared.connection, key, old_version=1)
    execute(shared.connection, "UPDATE key_versions SET deactivated_at = :at", {"at": smallest.now()})
    insert(shared.connection, "key_versions", **smallest.live_key_version(key, version_number=2))
    assert (claimed(shared).old_version, 2) == (1, 2)


def test_the_earliest_rotation_is_claimed_first_and_none_before_its_time(shared: SharedDatabase) -> None:
    times = [smallest.now() + hours * HOUR for hours in (-1, -3, 1, -2)]
    made = [a_rotation(shared.connection, scheduled_at=time)["id"] for time in times]
    queue = queue_of(shared.connection)
    found = [queue.claim("worker-1") for _ in range(4)]
    assert [claim and claim.id for claim in found] == [made[1], made[3], made[0], None]


@pytest.mark.parametrize("status", ["planned", "run out"])
def test_nothing_is_started_outside_its_policys_window(shared: SharedDatabase, status: str) -> None:
    start, end = (f"{smallest.now() + hours * HOUR:%H:%M}" for hours in (2, 3))
    policy = a_policy(shared.connection, rotation_window_start=start, rotation_window_end=end)
    rotation = a_rotation(shared.connection, policy_id=policy["id"])
    if status == "run out":
        claimed(shared, at_any_time=True)
        expire(shared.connection, rotation["id"])
    queue = queue_of(shared.connection)
    assert queue.claim("worker-1") is None
    execute(shared.connection, "UPDATE rotation_policies SET timezone = :zone", {"zone": TWO_HOURS_AHEAD})
    assert claimed(shared).id == rotation["id"]


def test_a_rotation_without_policy_has_no_window_and_windows_can_be_ignored(shared: SharedDatabase) -> None:
    start, end = (f"{smallest.now() + hours * HOUR:%H:%M}" for hours in (2, 3))
    policy = a_policy(shared.connection, rotation_window_start=start, rotation_window_end=end)
    waiting = a_rotation(shared.connection, policy_id=policy["id"])
    free = a_rotation(shared.connection)
    assert claimed(shared).id == free["id"]
    assert claimed(shared, at_any_time=True).id == waiting["id"]


@pytest.mark.only_on("sqlite")
def test_an_unknown_time_zone_blocks_no_other_policy(shared: SharedDatabase) -> None:
    window = {"rotation_window_start": "00:00", "rotation_window_end": "00:00", "timezone": "Mars/Olympus"}
    policy = a_policy(shared.connection, **window)
    a_rotation(shared.connection, policy_id=policy["id"])
    free = a_rotation(shared.connection)
    assert claimed(shared).id == free["id"]
    with pytest.raises(RotationError, match=f"{policy['policy_name']}.*Mars/Olympus"):
        queue_of(shared.connection).claim("worker-1")


@pytest.mark.parametrize("worker", ["", " \t", "w" * 84, "a\0b", "\udce9"])
def test_a_name_that_no_row_could_carry_is_refused(shared: SharedDatabase, worker: str) -> None:
    with pytest.raises(ValueError, match=r"1 to 83 characters|no database stores"):
        queue_of(shared.connection).claim(worker)


@pytest.mark.parametrize("lease", [0 * HOUR, -HOUR, 8 * DAY], ids=str)
def test_a_lease_ends_and_not_before_it_began(shared: SharedDatabase, lease: dt.timedelta) -> None:
    a_rotation(shared.connection)
    with pytest.raises(ValueError, match="7 days"):
        queue_of(shared.connection).claim("worker-1", lease)


def test_a_worker_with_the_longest_name_can_claim(shared: SharedDatabase) -> None:
    a_rotation(shared.connection)
    assert len(claimed(shared, "w" * 83).claimed_by) == 100


def test_a_lease_can_be_renewed_while_it_runs(shared: SharedDatabase) -> None:
    a_rotation(shared.connection)
    claim = claimed(shared, lease=MINUTE)
    renewed = queue_of(shared.connection).renew(claim, 2 * HOUR)
    assert abs(renewed.lease_expires_at - (smallest.now() + 2 * HOUR)) < MINUTE
    assert stored(shared.connection, claim.id, "lease_expires_at") == (renewed.lease_expires_at,)


def test_a_completed_rotation_has_its_version_and_duration(shared: SharedDatabase) -> None:
    key = a_key(shared.connection)
    a_rotation(shared.connection, key)
    claim = claimed(shared)
    execute(shared.connection, "UPDATE key_versions SET deactivated_at = :at", {"at": smallest.now()})
    insert(shared.connection, "key_versions", **smallest.live_key_version(key, version_number=2))
    queue_of(shared.connection).complete(claim, new_version=2, affected_records=7)
    columns = ("status", "old_version", "new_version", "affected_records", "claimed_by")
    assert stored(shared.connection, claim.id, *columns) == ("COMPLETED", 1, 2, 7, claim.claimed_by)
    (took, completed) = stored(shared.connection, claim.id, "execution_time_ms", "completed_at")
    assert 0 <= took < 60_000
    assert abs(completed - smallest.now()) < MINUTE


def test_a_failure_has_its_error_and_the_time_of_its_retry(shared: SharedDatabase) -> None:
    a_rotation(shared.connection, retry_count=1)
    claim = claimed(shared)
    again = queue_of(shared.connection).fail(claim, "no\0 quorum\udce9", Backoff(10 * MINUTE))
    assert stored(shared.connection, claim.id, "status", "error_message", "next_retry_at") == (
        "FAILED", r"no\u0000 quorum\udce9", again,
    )  # fmt: skip
    assert again is not None
    assert 10 * MINUTE - MINUTE < again - smallest.now() <= 20 * MINUTE


def test_after_the_last_retry_a_rotation_stays_failed(shared: SharedDatabase) -> None:
    rotation = a_rotation(shared.connection, max_retries=2)
    queue = queue_of(shared.connection)
    for left in (2, 1, 0):
        claim = claimed(shared)
        assert claim.max_retries - claim.retry_count == left
        again = queue.fail(claim, "no quorum")
        assert (again is None) == (left == 0)
        if again:
            assert queue.schedule_due().retried == 0, "it is too early"
            set_values(shared.connection, rotation["id"], next_retry_at=smallest.now() - MINUTE)
            assert queue.schedule_due().retried == 1
    assert queue.schedule_due().retried == 0
    assert stored(shared.connection, rotation["id"], "status", "retry_count") == ("FAILED", 2)


ENDS: dict[str, Callable[[RotationQueue, Claim], object]] = {
    "renew": lambda queue, claim: queue.renew(claim),
    "complete": lambda queue, claim: queue.complete(claim),
    "fail": lambda queue, claim: queue.fail(claim, "too late"),
    "find": lambda queue, claim: queue.find(claim.id, claim.claimed_by),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("worker", ["worker-1", "worker-2"])
def test_a_worker_that_lost_its_lease_can_do_nothing_with_it(shared: SharedDatabase, end: str, worker: str) -> None:
    """Not even if the worker that took it over has the same name, such as a restarted worker."""
    rotation = a_rotation(shared.connection)
    queue = queue_of(shared.connection)
    late = claimed(shared)
    assert queue.claim(worker) is None
    expire(shared.connection, rotation["id"])
    if end != "find":
        with pytest.raises(LeaseLostError):
            ENDS[end](queue, late)
    other = claimed(shared, worker)
    assert (other.id, other.taken_over_from) == (late.id, late.claimed_by)
    with pytest.raises(LeaseLostError, match=str(late.id)):
        ENDS[end](queue, late)
    ENDS[end](queue, other)


@pytest.mark.parametrize("end", ENDS)
def test_an_ended_rotation_cannot_end_again(shared: SharedDatabase, end: str) -> None:
    a_rotation(shared.connection)
    claim = claimed(shared)
    queue = queue_of(shared.connection)
    queue.complete(claim)
    with pytest.raises(LeaseLostError):
        ENDS[end](queue, claim)
    assert stored(shared.connection, claim.id, "status") == ("COMPLETED",)


def test_another_connection_is_refused() -> None:
    with pytest.raises(TypeError, match=r"psycopg or sqlite3"):
        queue_of(object())  # type: ignore[arg-type]
