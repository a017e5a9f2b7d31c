"""The types of rows, and calculations that several views share."""

import datetime as dt
from collections.abc import Iterable
from fractions import Fraction
from math import floor
from typing import Any

Row = dict[str, Any]
Tables = dict[str, list[Row]]

DAY = dt.timedelta(days=1)


def tenths(total: int, count: int) -> float | None:
    """Return the quotient rounded half up to one decimal."""
    return floor(Fraction(10 * total, count) + Fraction(1, 2)) / 10 if count else None


def about(key: Row, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["key_id"] == key["id"]]


def live_version(key: Row, tables: Tables) -> Row | None:
    versions = about(key, tables["key_versions"])
    return next((v for v in versions if v["activated_at"] is not None and v["deactivated_at"] is None), None)


def use(key: Row, tables: Tables) -> int:
    of_versions: int = sum(version["usage_count"] for version in about(key, tables["key_versions"]))
    total: int = key["usage_count"]
    return max(total, of_versions)


def day_of(time: dt.datetime) -> dt.date:
    return time.astimezone(dt.UTC).date()
