"""A failed rotation rests twice as long each time, within bounds, and not as long as another that failed with it."""

import datetime as dt
from itertools import pairwise

import pytest

from kms_schema.rotations import Backoff

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
