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
PAIRS = list(product(KeyStatus, KeyStatus))
ALLOWED = [(before, after) for before, after in PAIRS if after in KEY_LIFECYCLE[before]]
FORBIDDEN = [(before, after) for before, after in PAIRS if after not in (before, *KEY_LIFECYCLE[before])]
UNTIL_REVOKED = [(before, after) for before, after in ALLOWED if before is not KeyStatus.REVOKED]
UNCHANGED = [(status, status) for status in KeyStatus]
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


def test_the_matrix_is_whole() -> None:
    assert len(ALLOWED) + len(FORBIDDEN) + len(UNCHANGED) == 6 * 6
    assert len(ALLOWED) == 11


@pytest.mark.parametrize(("before", "after"), ALLOWED, ids=names(ALLOWED))
def test_an_allowed_change_fills_in_its_time(shared: SharedDatabase, before: KeyStatus, after: KeyStatus) -> None:
    key = stored_key_in(shared, before)
    update(shared.connection, "key_masters", key, status=str(after))
    assert value(shared.connection, "key_masters", key, "status") == after
    assert is_recent(shared.connection, value(shared.connection, "key_masters", key, KEY_STATUS_TIME[after]))
    if before in KEY_STATUS_TIME:
        kept = value(shared.connection, "key_masters", key, KEY_STATUS_TIME[before])
        assert same(shared.connection, kept, EARLIER)


@pytest.mark.parametrize(("before", "after"), ALLOWED, ids=names(ALLOWED))
def test_a_time_that_the_caller_gives_is_kept(shared: SharedDatabase, before: KeyStatus, after: KeyStatus) -> None:
    key = stored_key_in(shared, before)
    update(shared.connection, "key_masters", key, **{"status": str(after), KEY_STATUS_TIME[after]: LATER})
    assert same(shared.connection, value(shared.connection, "key_masters", key, KEY_STATUS_TIME[after]), LATER)


@pytest.mark.parametrize(("before", "after"), FORBIDDEN, ids=names(FORBIDDEN))
def test_a_forbidden_change_is_refused_and_names_both(
    shared: SharedDatabase, before: KeyStatus, after: KeyStatus
) -> None:
    key = stored_key_in(shared, before)
    for times in ({}, {KEY_STATUS_TIME[after]: LATER} if after in KEY_STATUS_TIME else {}):
        change = {"status": str(after), **times}
        error = update_refused(shared.connection, "key_masters", key, change, rule=RULE)
        assert f"from {before} to {after}" in str(error)


@pytest.mark.parametrize("status", list(KeyStatus))
def test_an_unchanged_status_is_no_change(shared: SharedDatabase, status: KeyStatus) -> None:
    key = stored_key_in(shared, status)
    before = stored(shared.connection, "key_masters", key)
    assert before is not None
    update(shared.connection, "key_masters", key, status=str(status), updated_at=LATER)
    after = stored(shared.connection, "key_masters", key)
    assert after is not None
    assert after[:-1] == before[:-1]  # all but updated_at


@pytest.mark.parametrize("status", list(KeyStatus))
def test_a_status_that_is_none_is_refused(shared: SharedDatabase, status: KeyStatus) -> None:
    key = stored_key_in(shared, status)
    for unknown in ("destroyed", "ACTIVE", ""):
        update_refused(shared.connection, "key_masters", key, {"status": unknown}, rule=RULE)


def test_a_whole_life_keeps_every_time(shared: SharedDatabase) -> None:
    key = stored_key_in(shared, KeyStatus.PENDING)
    for day, (status, time) in enumerate(STATUSES_WITH_TIME):
        update(shared.connection, "key_masters", key, **{"status": str(status), time: EARLIER + dt.timedelta(day)})
    for day, time in enumerate(ALL_TIMES):
        found = value(shared.connection, "key_masters", key, time)
        assert same(shared.connection, found, EARLIER + dt.timedelta(day))


@pytest.mark.parametrize(("status", "time"), STATUSES_WITH_TIME)
def test_a_status_requires_its_time(shared: SharedDatabase, status: KeyStatus, time: str) -> None:
    rule = f"ck_key_masters_{status}_has_{time}"
    insert_refused(shared.connection, "key_masters", key_in(status, **{time: None}), rule=rule)
    key = stored_key_in(shared, status)
    update_refused(shared.connection, "key_masters", key, {time: None}, rule=rule)
    update(shared.connection, "key_masters", key, **{time: LATER})


def test_a_pending_key_has_no_time_to_give(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    assert value(shared.connection, "key_masters", key, "status") == "pending"
    assert is_recent(shared.connection, value(shared.connection, "key_masters", key, "created_at"))


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
