"""Durations as Prometheus writes them: `90s`, `15m`, `1h30m`, `7d` or `2w`."""

import re

UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
"""The units with their seconds, in the order in which a duration has them."""
_DURATION = re.compile("".join(rf"(?:(\d{{1,9}}){unit})?" for unit in UNITS), re.ASCII)


def seconds_of(text: str) -> int:
    """Return the seconds of a duration.

    text: numbers of weeks, days, hours, minutes and seconds, in this order, each with its unit.

    Raises `ValueError` for another text. Example::

        assert seconds_of("1h30m") == 5400
    """
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"no duration: {text!r}; write 90s, 15m, 1h30m, 7d or 2w")
    return sum(int(number) * size for number, size in zip(match.groups(), UNITS.values(), strict=True) if number)


def duration_of(seconds: int) -> str:
    """Return a number of seconds in the greatest unit that divides it. Raises nothing.

    assert (duration_of(5400), duration_of(86400)) == ("90m", "1d")
    """
    unit, size = next((unit, size) for unit, size in UNITS.items() if unit != "w" and seconds % size == 0)
    return f"{seconds // size}{unit}"
