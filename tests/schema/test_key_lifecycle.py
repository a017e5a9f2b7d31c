"""The lifecycle of a key: which status may follow which, and the times that go with each."""

import datetime as dt
from itertools import product
from typing import Any

import pytest

from kms_schema.vocabulary import KEY_LIFECYCLE, KEY_STATUS_TIME, KeyStatus
from support.rows.smallest import Row, insert, key_master, key_version, live_key_version, now
from support.shared import SharedDatabase
from tests.schema.key_rules import insert_refused, is_recent, same, stored, update, update_refused, value

pytestmark = pytest.mark.versions("oldest and newest")

EARLIER = now() - dt.timedelta(days=9)
LATER = EARLIER + dt.timedelta(days=1)
ALLOWED = [(before, after) for before, those in KEY_LIFECYCLE.items() for after in those]
UNTIL_REVOKED = [(before, after) for before, after in ALLOWED if before is not KeyStatus.REVOKED]
STATUSES_WITH_TIME = list(KEY_STATUS_TIME.items())

RULE = "enforce_key_lifecycle_consistency"
ALL_TIMES = ("activated_at", "rotated_at", "expired_at", "revoked_at", "archived_at")
# The times of what a key in a status cannot have been through. (An active key has rotated_at from its rotations.)
IMPOSSIBLE: dict[str, tuple[str, ...]] = {
    "pending": ALL_TIMES,
    "active": ("expired_at", "revoked_at", "archived_at"),
    "rotated": ("expired_at", "revoked_at", "archived_at"),
    "expired": ("revoked_at", "archived_at"),
    "revoked": ("archived_at",),
    "archived": (),
}
STATUS_AND_TIME = list(product(KeyStatus, ALL_TIMES))


def key_in(status: KeyStatus, **over: Any) -> Row:
    """Return a key as it is imported in `status`: with the time of it, and no other."""
    times = {KEY_STATUS_TIME[status]: EARLIER} if status in KEY_STATUS_TIME else {}
    return key_master(**{"status": str(status), "created_at": EARLIER, **times, **over})


def stored_key_in(shared: SharedDatabase, status: KeyStatus, **over: Any) -> Row:
    return insert(shared.connection, "key_masters", **key_in(status, **over))


def names(pairs: list[tuple[KeyStatus, KeyStatus]]) -> list[str]:
    return [f"{before}-to-{after}" for before, after in pairs]


@pytest.mark.parametrize(("before", "after"), ALLOWED, ids=names(ALLOWED))
def test_a_time_that_the_caller_gives_is_kept(shared: SharedDatabase, before: KeyStatus, after: KeyStatus) -> None:
    key = stored_key_in(shared, before)
    update(shared.connection, "key_masters", key, **{"status": str(after), KEY_STATUS_TIME[after]: LATER})
    assert same(shared.connection, value(shared.connection, "key_masters", key, KEY_STATUS_TIME[after]), LATER)


def test_a_refusal_names_both_statuses(shared: SharedDatabase) -> None:
    """`test_refusals.py` has each pair that is refused, and the time that each allowed one fills in."""
    key = stored_key_in(shared, KeyStatus.ROTATED)
    change = {"status": "active", "activated_at": LATER}
    error = update_refused(shared.connection, "key_masters", key, change, rule=RULE)
    assert "from rotated to active" in str(error)


@pytest.mark.parametrize("status", list(KeyStatus))
def test_an_unchanged_status_is_no_change(shared: SharedDatabase, status: KeyStatus) -> None:
    key = stored_key_in(shared, status)
    before = stored(shared.connection, "key_masters", key)
    assert before is not None
    update(shared.connection, "key_masters", key, status=str(status), updated_at=LATER)
    after = stored(shared.connection, "key_masters", key)
    assert after is not None
    assert after[:-1] == before[:-1]  # all but updated_at


def test_a_whole_life_keeps_every_time(shared: SharedDatabase) -> None:
    key = stored_key_in(shared, KeyStatus.PENDING)
    for day, (status, time) in enumerate(STATUSES_WITH_TIME):
        update(shared.connection, "key_masters", key, **{"status": str(status), time: EARLIER + dt.timedelta(day)})
    for day, time in enumerate(ALL_TIMES):
        found = value(shared.connection, "key_masters", key, time)
        assert same(shared.connection, found, EARLIER + dt.timedelta(day))


def test_a_rotation_time_is_not_taken_for_the_end_of_a_key(shared: SharedDatabase) -> None:
    """An active key has the time of its latest rotation; superseding it is a later one."""
    key = stored_key_in(shared, KeyStatus.ACTIVE, rotated_at=EARLIER)
    update(shared.connection, "key_masters", key, status="rotated")
    assert is_recent(shared.connection, value(shared.connection, "key_masters", key, "rotated_at"))


@pytest.mark.parametrize(("status", "time"), STATUS_AND_TIME, ids=[f"{s}-{t}" for s, t in STATUS_AND_TIME])
def test_a_time_of_an_impossible_earlier_status_is_refused(
    shared: SharedDatabase, status: KeyStatus, time: str
) -> None:
    if time not in IMPOSSIBLE[status]:
        stored_key_in(shared, status, **{time: LATER})
        update(shared.connection, "key_masters", stored_key_in(shared, status), **{time: LATER})
        return
    rule = "ck_key_masters_times_agree_with_status"
    insert_refused(shared.connection, "key_masters", key_in(status, **{time: LATER}), rule=rule)
    key = stored_key_in(shared, status)
    update_refused(shared.connection, "key_masters", key, {time: LATER}, rule=rule)


@pytest.mark.parametrize(("before", "after"), UNTIL_REVOKED, ids=names(UNTIL_REVOKED))
def test_revoking_ends_the_live_version_and_no_other_change_does(
    shared: SharedDatabase, before: KeyStatus, after: KeyStatus
) -> None:
    key = stored_key_in(shared, KeyStatus.PENDING)
    retired = {"activated_at": EARLIER, "deactivated_at": LATER}
    old = insert(shared.connection, "key_versions", **key_version(key, created_at=EARLIER, **retired))
    live = insert(
        shared.connection,
        "key_versions",
        **live_key_version(key, version_number=2, created_at=EARLIER, activated_at=LATER),
    )
    next_one = insert(shared.connection, "key_versions", **key_version(key, version_number=3))
    for status in path_to(before):
        update(shared.connection, "key_masters", key, status=str(status))
    update(shared.connection, "key_masters", key, status=str(after))
    ended = value(shared.connection, "key_versions", live, "deactivated_at")
    assert is_recent(shared.connection, ended) if after is KeyStatus.REVOKED else ended is None
    assert same(shared.connection, value(shared.connection, "key_versions", old, "deactivated_at"), LATER)
    assert value(shared.connection, "key_versions", next_one, "deactivated_at") is None


def path_to(status: KeyStatus) -> list[KeyStatus]:
    """Return the changes that lead a pending key to `status`, the shortest way."""
    paths: list[list[KeyStatus]] = [[KeyStatus.PENDING]]
    for path in paths:
        if path[-1] is status:
            return path[1:]
        paths.extend([*path, after] for after in KEY_LIFECYCLE[path[-1]])
    raise AssertionError(f"no key can become {status}")


def test_a_version_activated_in_the_future_ends_at_its_activation(shared: SharedDatabase) -> None:
    key = stored_key_in(shared, KeyStatus.ACTIVE)
    tomorrow = now() + dt.timedelta(days=1)
    version = insert(shared.connection, "key_versions", **live_key_version(key, activated_at=tomorrow))
    update(shared.connection, "key_masters", key, status="revoked")
    assert same(shared.connection, value(shared.connection, "key_versions", version, "deactivated_at"), tomorrow)
