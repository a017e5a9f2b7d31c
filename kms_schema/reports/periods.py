"""The period of a report: a year, a quarter, a month, or two days."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from kms_schema.reports.errors import ReportError

FORMS = "2026, 2026-Q3, 2026-07 or 2026-07-01..2026-09-30, up to ten years"
_YEARS = range(1970, 9999)
_LONGEST = timedelta(days=3653)


@dataclass(frozen=True)
class Period:
    """The time from `start` up to, but not including, `end`, in UTC."""

    name: str
    start: datetime
    end: datetime

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the period of a text such as `2026-Q3`. Raises `ReportError` (`period`).

        text: a year, a quarter, a month, or the first and the last day: `2026-07-01..2026-09-30`.

            assert Period.parse("2026-Q3").end == datetime(2026, 10, 1, tzinfo=UTC)
        """
        match = re.fullmatch(r"(\d{4})(?:-(?:Q([1-4])|(\d{2})))?", text, re.ASCII)
        try:
            if match and int(match[1]) in _YEARS:
                year, first, months = int(match[1]), 1, 12
                if match[2]:
                    first, months = 3 * int(match[2]) - 2, 3
                elif match[3]:
                    first, months = int(match[3]), 1
                start = datetime(year, first, 1, tzinfo=UTC)
                after = first + months
                return cls(text, start, datetime(year + after // 13, after - 12 * (after // 13), 1, tzinfo=UTC))
            if match := re.fullmatch(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})", text, re.ASCII):
                start, last = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in match.groups())
                if start <= last and start.year in _YEARS and last.year in _YEARS and last - start <= _LONGEST:
                    return cls(text, start, last + timedelta(days=1))
        except ValueError:
            pass
        raise ReportError(f"no period: {text!r}; write {FORMS}", reason="period")

    def months(self) -> "list[Period]":
        """Return the months of the period, the first and the last as far as they are in it."""
        found = []
        start = self.start
        while start < self.end:
            following = datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
            found.append(Period(f"{start:%Y-%m}", start, min(following, self.end)))
            start = following
        return found
