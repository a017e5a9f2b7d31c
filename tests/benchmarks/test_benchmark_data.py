"""The rows that benchmarks measure with: the same for the same seed, and of the shape that they are said to have."""

import datetime as dt
from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from benchmarks.data.events import DAYS, EVENT_COLUMNS, KINDS, events, hours, popularity
from benchmarks.data.keys import MASTER_COLUMNS, STATUSES, TYPES, VERSION_COLUMNS, Key, Registry
from benchmarks.data.rotations import ROTATION_COLUMNS, SHARE_FAILED
from benchmarks.data.size import Ages, Size

AGES = Ages(dt.datetime(2026, 3, 1, 12, 30))
SIZE = Size(20_000, 2_000)
KEYS = [f"{number:032x}" for number in range(1_000)]


def named(columns: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(columns, row, strict=True))


@pytest.fixture(scope="module")
def keys() -> list[Key]:
    return list(Registry(SIZE, 1, AGES).keys())


@pytest.fixture(scope="module")
def trail() -> list[dict[str, Any]]:
    return [named(EVENT_COLUMNS, row) for row in events(20_000, 1, AGES, KEYS)]


def test_the_same_seed_makes_the_same_rows_and_another_makes_others(keys: list[Key]) -> None:
    assert list(Registry(SIZE, 1, AGES).keys()) == keys
    assert next(Registry(SIZE, 2, AGES).keys()) != keys[0]
    assert list(events(500, 1, AGES, KEYS)) == list(events(500, 1, AGES, KEYS))
    assert next(events(500, 2, AGES, KEYS)) != next(events(500, 1, AGES, KEYS))


def test_later_the_rows_are_the_same_but_for_their_times() -> None:
    later = Ages(AGES.moment + dt.timedelta(days=7, hours=5))
    times = {EVENT_COLUMNS.index("id"), EVENT_COLUMNS.index("timestamp")}
    for now, then in zip(events(500, 1, AGES, KEYS), events(500, 1, later, KEYS), strict=True):
        assert [cell for place, cell in enumerate(now) if place not in times] == [
            cell for place, cell in enumerate(then) if place not in times
        ]


def test_there_are_the_requested_keys_with_ten_to_twenty_versions_each(keys: list[Key]) -> None:
    assert len(keys) == SIZE.keys
    counts = {len(key.versions) for key in keys if key.status != "pending"}
    assert (min(counts), max(counts)) == (10, 20)
    assert {len(key.versions) for key in keys if key.status == "pending"} == {1}


def test_types_and_statuses_have_their_shares(keys: list[Key]) -> None:
    others = [key for key in keys if key.master[2] != "kek"]
    assert len(keys) - len(others) == SIZE.keys // 100
    types = Counter(key.master[2] for key in others)
    for key_type, share in TYPES.items():
        assert types[key_type] / len(others) == pytest.approx(share, abs=0.02)
    statuses = Counter(key.status for key in others)
    for status, status_share in STATUSES.items():
        assert statuses[status] / len(others) == pytest.approx(status_share, abs=0.03)


def test_twelve_versions_of_a_key_are_kept_and_older_ones_are_destroyed(keys: list[Key]) -> None:
    for key in keys:
        destroyed = [named(VERSION_COLUMNS, row)["destroyed_at"] is not None for row in key.versions]
        assert destroyed == [place < len(destroyed) - 12 for place in range(len(destroyed))]


def test_every_version_is_wrapped_by_a_kek_that_came_before_it_but_those_of_roots(keys: list[Key]) -> None:
    wrappers: set[str] = set()
    roots = set()
    for key in keys:
        for row in key.versions:
            version = named(VERSION_COLUMNS, row)
            if version["encrypted_key_data"] is None:
                assert version["wrapped_by_version_id"] is version["wrapping_key_ref"] is None
            elif version["wrapping_key_ref"] is not None:
                roots.add(named(MASTER_COLUMNS, key.master)["key_id"])
            else:
                assert version["wrapped_by_version_id"] in wrappers
        if key.master[2] == "kek":
            wrappers |= {row[0] for row in key.versions if row[3] is not None}
    assert roots == {"kek-1", "kek-11"}


def test_the_requested_number_of_keys_is_due_for_each_reason_in_turn() -> None:
    due = list(Registry(Size(0, 400, (1, 2), due=20), 1, AGES).keys())
    late = [named(MASTER_COLUMNS, key.master) for key in due if key.status == "active"]
    expiring = [key for key in late if key["expires_at"] and key["expires_at"] < AGES.ago(-1)]
    assert len(expiring) == 4
    counted = [
        version
        for key in due
        for version in key.versions
        if named(VERSION_COLUMNS, version)["usage_count"] >= 10_000_000
    ]
    assert len(counted) == 4


def test_rotations_made_every_version_but_the_first_and_some_failed_before(keys: list[Key]) -> None:
    made = failed = 0
    for key in keys:
        statuses = Counter(named(ROTATION_COLUMNS, row)["status"] for row in key.rotations)
        assert statuses["COMPLETED"] == len(key.versions) - 1
        assert statuses["SCHEDULED"] + statuses["RUNNING"] <= int(key.status == "active")
        made += statuses["COMPLETED"]
        failed += statuses["FAILED"]
    assert failed / made == pytest.approx(SHARE_FAILED, abs=0.01)


def test_entries_are_in_order_over_ninety_days_up_to_the_present(trail: list[dict[str, Any]]) -> None:
    times = [entry["timestamp"] for entry in trail]
    assert times == sorted(times)
    assert AGES.ago(DAYS) <= times[0] < AGES.ago(DAYS - 1)
    assert AGES.ago(1) < times[-1] <= AGES.ago(0)
    assert len({entry["id"] for entry in trail}) == len(trail)


def test_kinds_have_their_shares_and_few_are_of_high_risk(trail: list[dict[str, Any]]) -> None:
    assert sum(kind.share for kind in KINDS) == 100_000
    found = Counter(entry["event_type"] for entry in trail)
    for kind in KINDS:
        assert found[kind.event_type] / len(trail) == pytest.approx(kind.share / 100_000, abs=0.01)
    risky = [each for each in trail if each["risk_score"] >= 70 or each["security_level"] in {"HIGH", "CRITICAL"}]
    assert 0.003 < len(risky) / len(trail) < 0.01


def test_nights_are_quiet_and_some_hours_burst() -> None:
    found = hours(1_000_000, Random(1))  # noqa: S311
    assert sum(found) == 1_000_000
    by_night = sum(count for hour, count in enumerate(found) if hour % 24 < 7 or hour % 24 >= 20)
    assert by_night / 1_000_000 < 0.2
    usual = sorted(found)[len(found) // 2]
    assert max(found) > 5 * usual


def test_most_entries_are_about_a_few_keys(trail: list[dict[str, Any]]) -> None:
    found = Counter(entry["key_id"] for entry in trail if entry["key_id"] is not None)
    assert found.most_common(1)[0][0] == KEYS[0]
    first_ten = sum(found[key] for key in KEYS[:10]) / found.total()
    assert first_ten == pytest.approx(popularity(1_000)[9] / popularity(1_000)[-1], abs=0.02)
    assert first_ten > 0.35
    assert all(before < after for before, after in pairwise(popularity(5)))
