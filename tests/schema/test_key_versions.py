"""The rules of a key's versions: numbers, the one that is live, times, counters, and that they go with their key."""

import datetime as dt
from typing import Any

import pytest

from support.rows.smallest import (
    Row,
    active_key_master,
    hsm_key_master,
    insert,
    key_master,
    key_version,
    live_key_version,
    now,
)
from support.shared import SharedDatabase
from support.statements import execute
from tests.schema.key_rules import (
    delete_refused,
    insert_refused,
    same,
    stored,
    update,
    update_refused,
    value,
)

pytestmark = pytest.mark.versions("oldest and newest")

START = now() - dt.timedelta(days=9)
LIVE_RULE = "uq_key_versions_live"

# Times in days, in their order: created, activated, deactivated, destroyed.
CHRONOLOGICAL: list[tuple[float | None, ...]] = [
    (0, None, None, None),
    (0, 1, None, None),
    (0, 1, 2, None),
    (0, 1, 2, 3),
    (0, None, None, 1),
    (0, 0, 0, 0),
]


def days(number: float | None) -> dt.datetime | None:
    return None if number is None else START + dt.timedelta(number)


def at(created: float | None, activated: float | None, deactivated: float | None, destroyed: float | None) -> Row:
    """Return the four times of a version, from days after the start."""
    times = {"created_at": created, "activated_at": activated, "deactivated_at": deactivated, "destroyed_at": destroyed}
    return {column: days(number) for column, number in times.items()}


def stored_key(shared: SharedDatabase, **over: Any) -> Row:
    return insert(shared.connection, "key_masters", **key_master(**over))


def stored_version(shared: SharedDatabase, master: Row, **over: Any) -> Row:
    return insert(shared.connection, "key_versions", **key_version(master, **over))


def hsm_key(shared: SharedDatabase) -> Row:
    """Return a key whose versions have a handle and no material."""
    return insert(shared.connection, "key_masters", **hsm_key_master())


def name_of(parameter: Any) -> str | None:
    return parameter if isinstance(parameter, str) else None


@pytest.mark.parametrize("counter", ["usage_count", "data_volume_bytes"])
def test_counters_never_fall_nor_jump(shared: SharedDatabase, counter: str) -> None:
    version = stored_version(shared, stored_key(shared), usage_count=5, data_volume_bytes=5)
    rule = "prevent_key_version_counter_decrease"
    for fewer in (4, -1):
        error = update_refused(shared.connection, "key_versions", version, {counter: fewer}, rule=rule)
        assert f"{counter} may not decrease" in str(error)
    most = {"usage_count": 2**24, "data_volume_bytes": 2**40}[counter]
    for beyond in (10**15, 5 + most + 1):
        error = update_refused(shared.connection, "key_versions", version, {counter: beyond}, rule=rule)
        assert "at most 16777216 uses and 1 TiB" in str(error)
    update(shared.connection, "key_versions", version, **{counter: 5})
    update(shared.connection, "key_versions", version, **{counter: 5 + most})


def test_a_key_has_one_live_version(shared: SharedDatabase) -> None:
    key = stored_key(shared)
    first = insert(shared.connection, "key_versions", **live_key_version(key))
    insert_refused(shared.connection, "key_versions", live_key_version(key, version_number=2), rule=LIVE_RULE)
    second = stored_version(shared, key, version_number=2)
    live = {"activated_at": now()}
    update_refused(shared.connection, "key_versions", second, live, rule=LIVE_RULE)
    update(shared.connection, "key_versions", first, deactivated_at=now())
    update(shared.connection, "key_versions", second, **live)
    update_refused(shared.connection, "key_versions", first, {"deactivated_at": None}, rule=LIVE_RULE)
    insert(shared.connection, "key_versions", **live_key_version(stored_key(shared)))


@pytest.mark.parametrize("times", CHRONOLOGICAL, ids=str)
def test_times_in_order_are_accepted(shared: SharedDatabase, times: tuple[float | None, ...]) -> None:
    key = hsm_key(shared)
    stored_version(shared, key, **at(*times))
    created, *others = at(*times).items()
    other = stored_version(shared, hsm_key(shared), **dict([created]))
    gone = {} if times[3] is None else {"hsm_key_id": None}
    update(shared.connection, "key_versions", other, **dict(others), **gone)


@pytest.mark.parametrize(
    ("fault", "before", "change"),
    [
        ("activated_at may not change", (0, 1, None, None), {"activated_at": None}),
        ("destroyed_at may not change", (0, 1, 2, 3), {"destroyed_at": None}),
        ("a destroyed version may not be", (0, None, None, 4), {"activated_at": days(1), "deactivated_at": days(2)}),
    ],
    ids=name_of,
)
def test_a_version_is_activated_and_destroyed_once(
    shared: SharedDatabase, fault: str, before: tuple[float | None, ...], change: Row
) -> None:
    version = stored_version(shared, hsm_key(shared), **at(*before))
    rule = "validate_key_version_chronology"
    assert fault in str(update_refused(shared.connection, "key_versions", version, change, rule=rule))


def test_a_version_is_not_deleted_but_with_its_key(shared: SharedDatabase) -> None:
    key, other = stored_key(shared), stored_key(shared)
    versions = [stored_version(shared, key, version_number=number) for number in (1, 2)]
    kept = stored_version(shared, other)
    rule = "prevent_key_version_delete"
    for version in versions:
        delete_refused(shared.connection, "key_versions", version, rule=rule)
    execute(shared.connection, "DELETE FROM key_masters WHERE id = :id", {"id": key["id"]})
    assert [stored(shared.connection, "key_versions", version) for version in versions] == [None, None]
    assert stored(shared.connection, "key_versions", kept) is not None


def test_a_rotation_is_the_second_activation_and_each_later_one(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **active_key_master(created_at=START, activated_at=START))

    def rotated_at(expected: float | None) -> bool:
        return same(shared.connection, value(shared.connection, "key_masters", key, "rotated_at"), days(expected))

    first = stored_version(shared, key, **at(0, 1, None, None))
    second = stored_version(shared, key, version_number=2, created_at=START)
    assert rotated_at(None)
    update(shared.connection, "key_versions", first, deactivated_at=days(2))
    update(shared.connection, "key_versions", second, activated_at=days(2))
    assert rotated_at(2)
    update(shared.connection, "key_versions", second, deactivated_at=days(3))
    stored_version(shared, key, version_number=3, **at(0, 3, None, None))
    assert rotated_at(3)
    assert value(shared.connection, "key_masters", key, "status") == "active"


def test_a_key_that_is_not_active_is_not_rotated_by_an_activation(shared: SharedDatabase) -> None:
    key = stored_key(shared, status="rotated", created_at=START, rotated_at=days(1))
    stored_version(shared, key, **at(0, 1, 2, None))
    stored_version(shared, key, version_number=2, **at(0, 2, None, None))
    assert same(shared.connection, value(shared.connection, "key_masters", key, "rotated_at"), days(1))


def test_the_usage_of_a_key_is_brought_up_to_date_by_rotation(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **active_key_master())

    def usage() -> int:
        return int(value(shared.connection, "key_masters", key, "usage_count"))

    first = insert(shared.connection, "key_versions", **live_key_version(key, usage_count=3))
    assert usage() == 3
    update(shared.connection, "key_versions", first, usage_count=10)
    assert usage() == 3  # counting is the hot path: it leaves the key alone
    update(shared.connection, "key_versions", first, deactivated_at=now())
    insert(shared.connection, "key_versions", **live_key_version(key, version_number=2, usage_count=1))
    assert usage() == 11
    update(shared.connection, "key_masters", key, usage_count=100)
    stored_version(shared, key, version_number=3)
    assert usage() == 100  # what was counted elsewhere is not taken back
