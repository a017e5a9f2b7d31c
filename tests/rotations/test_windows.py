"""A policy's window goes by the clock on the wall in the policy's zone."""

import datetime as dt

import pytest

from kms_schema.rotations import RotationError, Window

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
