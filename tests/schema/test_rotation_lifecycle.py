"""How a rotation moves: its statuses and their times, retries, and the claim that one worker has on it."""

import datetime as dt
from typing import Any

import pytest

from kms_schema.vocabulary import ROTATION_LIFECYCLE, RotationStatus
from support.rows.smallest import Row, insert, key_master, key_rotation, now
from support.shared import SharedDatabase
from support.statements import adapt, execute, refused
from support.violations.refused_rows import (
    Forbidden,
    apply_settings,
    refuses_update,
    update,
    value_of,
)

pytestmark = pytest.mark.versions("oldest and newest")

TABLE = "key_rotations"
LIFECYCLE = "enforce_key_rotation_lifecycle"

EARLIER, LATER = (dt.datetime(2026, 1, 1, hour, tzinfo=dt.UTC) for hour in (8, 9))
HOUR = dt.timedelta(hours=1)

TIMES_OF: dict[RotationStatus, Row] = {
    RotationStatus.SCHEDULED: {},
    RotationStatus.RUNNING: {"started_at": EARLIER},
    RotationStatus.COMPLETED: {"started_at": EARLIER, "completed_at": LATER},
    RotationStatus.FAILED: {"started_at": EARLIER, "failed_at": LATER},
}
FILLED = {
    RotationStatus.RUNNING: "started_at",
    RotationStatus.COMPLETED: "completed_at",
    RotationStatus.FAILED: "failed_at",
}


AGREEING: list[tuple[RotationStatus, Row]] = [
    *((status, {}) for status in RotationStatus),
    *((status, {"failed_at": EARLIER}) for status in (RotationStatus.SCHEDULED, RotationStatus.RUNNING)),
    (RotationStatus.COMPLETED, {"started_at": LATER, "failed_at": EARLIER}),
    (RotationStatus.COMPLETED, {"started_at": LATER}),
    (RotationStatus.FAILED, {"started_at": LATER}),
]


def in_status(shared: SharedDatabase, status: RotationStatus, **over: Any) -> Row:
    """Insert a rotation of a key of its own, in `status` and with its times."""
    master = insert(shared.connection, "key_masters", **key_master())
    return insert(
        shared.connection, TABLE, **key_rotation(master, **{"status": str(status), **TIMES_OF[status], **over})
    )


def is_stored(shared: SharedDatabase, row: Row, **values: Any) -> bool:
    """Return True if the columns of `row` have `values`."""
    return all(
        value_of(shared.connection, TABLE, row, column) == adapt(value, shared.dialect)
        for column, value in values.items()
    )


def test_a_refusal_names_both_statuses(shared: SharedDatabase) -> None:
    """`test_refusals.py` has each change and each set of times that is refused."""
    row = in_status(shared, RotationStatus.COMPLETED)
    statement = f"UPDATE {TABLE} SET status = 'RUNNING', completed_at = NULL WHERE id = :id"  # noqa: S608
    error = refused(shared.connection, statement, {"id": row["id"]}, rule=LIFECYCLE)
    assert "from COMPLETED to RUNNING" in str(error)


@pytest.mark.parametrize(("status", "times"), AGREEING, ids=str)
def test_times_that_agree_with_the_status_are_accepted(
    shared: SharedDatabase, status: RotationStatus, times: Row
) -> None:
    in_status(shared, status, **times)
    update(shared.connection, TABLE, in_status(shared, status), **{"rollback_available": False, **times})


@pytest.mark.parametrize(
    ("before", "after"), [(b, a) for b, those in ROTATION_LIFECYCLE.items() for a in those if a in FILLED]
)
@pytest.mark.parametrize("recursive_triggers", ["ON", "OFF"])
def test_the_time_of_a_status_is_filled_in_or_kept_as_given(
    shared: SharedDatabase, before: RotationStatus, after: RotationStatus, recursive_triggers: str
) -> None:
    if shared.dialect == "sqlite":
        apply_settings(shared.connection, {"recursive_triggers": recursive_triggers})
    time = FILLED[after]
    filled, given = (in_status(shared, before) for _ in range(2))
    update(shared.connection, TABLE, filled, status=str(after))
    age = now() - _time(value_of(shared.connection, TABLE, filled, time))
    assert abs(age) < dt.timedelta(minutes=1)
    update(shared.connection, TABLE, given, status=str(after), **{time: LATER})
    assert is_stored(shared, given, **{time: LATER})


@pytest.mark.parametrize("after", [RotationStatus.COMPLETED, RotationStatus.FAILED])
def test_a_rotation_that_began_ahead_of_the_clock_does_not_end_before_it_began(
    shared: SharedDatabase, after: RotationStatus
) -> None:
    tomorrow = now() + dt.timedelta(days=1)
    row = in_status(shared, RotationStatus.RUNNING, started_at=tomorrow)
    update(shared.connection, TABLE, row, status=str(after))
    assert is_stored(shared, row, **{FILLED[after]: tomorrow})


def _time(value: Any) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)


@pytest.mark.parametrize("change", [{}, {"retry_count": 2}, {"started_at": None, "retry_count": 2}], ids=str)
@pytest.mark.parametrize("recursive_triggers", ["ON", "OFF"])
def test_a_retry_is_counted_and_starts_afresh(shared: SharedDatabase, change: Row, recursive_triggers: str) -> None:
    if shared.dialect == "sqlite":
        apply_settings(shared.connection, {"recursive_triggers": recursive_triggers})
    claim = {"claimed_by": "worker-1", "lease_expires_at": LATER}
    row = in_status(shared, RotationStatus.FAILED, retry_count=1, error_message="no quorum", **claim)
    update(shared.connection, TABLE, row, status="SCHEDULED", **change)
    afresh = {"started_at": None, "claimed_by": None, "lease_expires_at": None}
    assert is_stored(shared, row, status="SCHEDULED", retry_count=2, failed_at=LATER, **afresh)
    update(shared.connection, TABLE, row, status="RUNNING", claimed_by="worker-2")
    update(shared.connection, TABLE, row, status="FAILED")
    assert not is_stored(shared, row, failed_at=LATER), "a second failure has its own time"
    assert is_stored(shared, row, retry_count=2, error_message="no quorum")


RETRY = {"status": "SCHEDULED"}


def test_there_is_no_retry_when_none_is_left(shared: SharedDatabase) -> None:
    row = in_status(shared, RotationStatus.FAILED, max_retries=2, retry_count=2)
    refuses_update(shared.connection, TABLE, row, Forbidden(RETRY, LIFECYCLE))
    refuses_update(shared.connection, TABLE, row, Forbidden({**RETRY, "retry_count": 3}, LIFECYCLE))
    update(shared.connection, TABLE, row, max_retries=3, **RETRY)
    assert is_stored(shared, row, retry_count=3)
    fewer = Forbidden({"max_retries": 2}, "ck_key_rotations_retry_count_range")
    refuses_update(shared.connection, TABLE, row, fewer)


@pytest.mark.parametrize("lease", [None, HOUR], ids=["no end", "not expired"])
@pytest.mark.parametrize("claimant", ["worker-2", None])
def test_a_claim_does_not_change_hands_while_the_lease_runs(
    shared: SharedDatabase, lease: dt.timedelta | None, claimant: str | None
) -> None:
    ends = None if lease is None else now() + lease
    row = in_status(shared, RotationStatus.RUNNING, claimed_by="worker-1", lease_expires_at=ends)
    taken = {"claimed_by": claimant}
    refuses_update(shared.connection, TABLE, row, Forbidden(taken, LIFECYCLE))
    over = {"lease_expires_at": now() - HOUR}
    refuses_update(shared.connection, TABLE, row, Forbidden({**taken, **over}, LIFECYCLE))
    update(shared.connection, TABLE, row, claimed_by="worker-1", lease_expires_at=now() + 2 * HOUR)


def test_another_worker_may_claim_after_the_lease_has_expired(shared: SharedDatabase) -> None:
    row = in_status(shared, RotationStatus.RUNNING, claimed_by="worker-1", lease_expires_at=now() - HOUR)
    update(shared.connection, TABLE, row, claimed_by="worker-2", lease_expires_at=now() + HOUR)
    refuses_update(shared.connection, TABLE, row, Forbidden({"claimed_by": "worker-1"}, LIFECYCLE))


def test_an_unclaimed_rotation_may_be_claimed(shared: SharedDatabase) -> None:
    row = in_status(shared, RotationStatus.RUNNING)
    update(shared.connection, TABLE, row, claimed_by="worker-1", lease_expires_at=now() + HOUR)
    planned = in_status(shared, RotationStatus.SCHEDULED)
    update(shared.connection, TABLE, planned, status="RUNNING", claimed_by="worker-1")


@pytest.mark.parametrize("outcome", ["COMPLETED", "FAILED"])
@pytest.mark.parametrize("lease", [HOUR, -HOUR], ids=["not expired", "expired"])
def test_only_the_claimant_ends_a_rotation(shared: SharedDatabase, outcome: str, lease: dt.timedelta) -> None:
    row = in_status(shared, RotationStatus.RUNNING, claimed_by="worker-1", lease_expires_at=now() + lease)
    for other in ("worker-2", None):
        refuses_update(shared.connection, TABLE, row, Forbidden({"status": outcome, "claimed_by": other}, LIFECYCLE))
    update(shared.connection, TABLE, row, status=outcome, claimed_by="worker-1")
    for other in ("worker-2", None):
        refuses_update(shared.connection, TABLE, row, Forbidden({"claimed_by": other}, LIFECYCLE))


@pytest.mark.parametrize("steps", [("SCHEDULED",), ("SCHEDULED", "RUNNING"), ("SCHEDULED", "RUNNING", "COMPLETED")])
def test_the_time_of_the_last_failure_is_kept(shared: SharedDatabase, steps: tuple[str, ...]) -> None:
    row = in_status(shared, RotationStatus.FAILED)
    for step in steps:
        update(shared.connection, TABLE, row, status=step)
    refuses_update(shared.connection, TABLE, row, Forbidden({"failed_at": None}, LIFECYCLE))


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("resolution", ["REPLACE", "IGNORE", "FAIL", "ABORT"])
def test_times_are_filled_in_under_every_conflict_resolution(shared: SharedDatabase, resolution: str) -> None:
    row = in_status(shared, RotationStatus.SCHEDULED)
    statement = f"UPDATE OR {resolution} {TABLE} SET status = :status WHERE id = :id"  # noqa: S608
    for status in ("RUNNING", "FAILED", "SCHEDULED", "RUNNING", "COMPLETED"):
        execute(shared.connection, statement, {"status": status, "id": row["id"]})
    assert is_stored(shared, row, status="COMPLETED", retry_count=1)
    assert None not in [value_of(shared.connection, TABLE, row, f"{event}_at") for event in ("started", "completed")]
