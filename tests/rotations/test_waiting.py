"""What rotations wait for: the rest after a failure, the window of a policy, and the sentence about each."""

import datetime as dt
from contextlib import closing
from itertools import pairwise

import pytest

from kms_schema.rotations import Backoff, RotationError, Window
from support.engines import Database
from support.rows import smallest
from tests.rotations.setups import HOUR, a_policy, a_rotation, queue_of


def test_each_reason_to_wait_has_a_sentence(database: Database) -> None:
    with closing(database.connect()) as connection:
        queue = queue_of(connection)
        start, end = (f"{smallest.now() + hours * HOUR:%H:%M}" for hours in (2, 3))
        policy = a_policy(connection, rotation_window_start=start, rotation_window_end=end)
        for _ in range(2):
            a_rotation(connection, policy_id=policy["id"])
        a_rotation(connection)
        claim = queue.claim("night-1")
        assert claim is not None
        again = queue.fail(claim, "no quorum")
        assert again is not None
        later = smallest.now() + 5 * HOUR
        a_rotation(connection, scheduled_at=later)
        retried = f"1 is tried again at {again.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
        planned = f"1 is planned for later at {later:%Y-%m-%d %H:%M:%S} UTC"
        assert queue.pending() == [f"2 wait for their window {start}-{end} UTC", planned, retried]
        assert queue.pending(at_any_time=True) == [planned, retried]


MINUTE = dt.timedelta(minutes=1)


def test_each_rest_is_twice_the_one_before_up_to_the_bound() -> None:
    rests = [Backoff(MINUTE, 60 * MINUTE).rest(retries, lambda: 0.0) / MINUTE for retries in range(9)]
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_jitter_subtracts_up_to_half() -> None:
    assert Backoff(MINUTE).rest(0, lambda: 1.0) == MINUTE / 2
    rests = {Backoff(MINUTE).rest(3) for _ in range(50)}
    assert len(rests) > 40
    assert all(4 * MINUTE <= rest <= 8 * MINUTE for rest in rests)


def test_the_shortest_rest_never_falls_with_the_number_of_failures() -> None:
    shortest = [Backoff().rest(retries, lambda: 1.0) for retries in range(2000)]
    assert all(earlier <= later for earlier, later in pairwise(shortest))
    assert shortest[-1] == Backoff().longest / 2


@pytest.mark.parametrize(("first", "longest"), [(0, 1), (-1, 1), (2, 1)])
def test_a_rest_is_longer_than_nothing_and_the_bound_no_shorter(first: int, longest: int) -> None:
    with pytest.raises(ValueError, match="the first rest"):
        Backoff(first * MINUTE, longest * MINUTE)


def test_a_rest_is_at_most_7_days() -> None:
    """`rotations_due` has the key again a day later."""
    week = dt.timedelta(days=7)
    assert Backoff(week, week).rest(0, lambda: 0.0) == week
    with pytest.raises(ValueError, match="at most 7 days, not 7 days, 0:01:00"):
        Backoff(MINUTE, week + MINUTE)


NIGHT = ("22:00", "02:00")


def is_open(window: tuple[str, str], zone: str, at: str) -> bool:
    return Window("nightly", *window, zone).is_open(dt.datetime.fromisoformat(at))


@pytest.mark.parametrize(
    ("window", "at", "answer"),
    [
        (("09:00", "17:00"), "2026-11-25T08:59:59Z", False),
        (("09:00", "17:00"), "2026-11-25T09:00:00Z", True),
        (("09:00", "17:00"), "2026-11-25T16:59:59.999999Z", True),
        (("09:00", "17:00"), "2026-11-25T17:00:00Z", False),
        (NIGHT, "2026-11-25T21:59:59Z", False),
        (NIGHT, "2026-11-25T22:00:00Z", True),
        (NIGHT, "2026-11-26T00:00:00Z", True),
        (NIGHT, "2026-11-26T01:59:59Z", True),
        (NIGHT, "2026-11-26T02:00:00Z", False),
        (("00:00", "00:00"), "2026-11-26T00:00:00Z", True),
        (("05:00", "05:00"), "2026-11-26T04:59:00Z", True),
    ],
)
def test_a_window_ends_before_its_end_and_may_cross_midnight(window: tuple[str, str], at: str, answer: bool) -> None:
    assert is_open(window, "UTC", at) is answer


@pytest.mark.parametrize(
    ("at", "answer"),
    [("2026-11-25T12:59:59+00:00", False), ("2026-11-25T13:00:00Z", True), ("2026-11-25T17:00:00Z", False)],
)
def test_the_zone_is_the_policys_and_not_that_of_the_time_given(at: str, answer: bool) -> None:
    assert is_open(NIGHT, "Asia/Tokyo", at) is answer
    elsewhere = dt.datetime.fromisoformat(at).astimezone(dt.timezone(dt.timedelta(hours=-7)))
    assert Window("nightly", *NIGHT, "Asia/Tokyo").is_open(elsewhere) is answer


# On 2025-03-09 New York goes from 02:00 to 03:00, at 07:00 UTC; on 2025-11-02 from 02:00 back to 01:00, at 06:00 UTC.
@pytest.mark.parametrize("minute", range(0, 240, 15))
def test_an_hour_that_the_clocks_leave_out_is_in_no_window(minute: int) -> None:
    at = dt.datetime(2025, 3, 9, 5, tzinfo=dt.UTC) + dt.timedelta(minutes=minute)
    assert not Window("nightly", "02:00", "03:00", "America/New_York").is_open(at)
    assert Window("nightly", "02:30", "03:30", "America/New_York").is_open(at) == (120 <= minute < 150)


@pytest.mark.parametrize("minute", range(0, 240, 15))
def test_a_repeated_hour_is_in_its_window_twice(minute: int) -> None:
    at = dt.datetime(2025, 11, 2, 4, tzinfo=dt.UTC) + dt.timedelta(minutes=minute)
    assert Window("nightly", "01:00", "02:00", "America/New_York").is_open(at) == (60 <= minute < 180)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../UTC", "Europe"])
def test_a_zone_that_is_not_known_is_named_with_its_policy(zone: str) -> None:
    with pytest.raises(RotationError, match=r"'nightly'.*tzdata"):
        is_open(NIGHT, zone, "2026-11-25T12:00:00Z")
