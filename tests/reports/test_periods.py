"""The periods of reports, and their months."""

from datetime import UTC, datetime

import pytest

from kms_schema.reports import Period, ReportError


@pytest.mark.parametrize(
    ("text", "start", "end", "months"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1), 12),
        ("2026-Q1", (2026, 1, 1), (2026, 4, 1), 3),
        ("2026-Q4", (2026, 10, 1), (2027, 1, 1), 3),
        ("2026-02", (2026, 2, 1), (2026, 3, 1), 1),
        ("2026-12", (2026, 12, 1), (2027, 1, 1), 1),
        ("2028-02-29..2028-03-01", (2028, 2, 29), (2028, 3, 2), 2),
        ("2026-07-31..2026-07-31", (2026, 7, 31), (2026, 8, 1), 1),
        ("2020-01-01..2029-12-31", (2020, 1, 1), (2030, 1, 1), 120),
    ],
)
def test_a_period_is_from_its_first_day_up_to_the_day_after_its_last(
    text: str, start: tuple[int, int, int], end: tuple[int, int, int], months: int
) -> None:
    period = Period.parse(text)
    assert (period.start, period.end) == (datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC))
    found = period.months()
    assert len(found) == months
    assert (found[0].start, found[-1].end) == (period.start, period.end)
    assert [each.end for each in found[:-1]] == [each.start for each in found[1:]]


@pytest.mark.parametrize(
    "text",
    [
        "", "26", "2026-Q0", "2026-Q5", "2026-00", "2026-13", "2026-7", "1969", "9999", "2026-07-01",
        "2026-07-02..2026-07-01", "2026-02-30..2026-03-01", "2020-01-01..2030-01-02", "2026-Q3 ",
        "\uff12\uff10\uff12\uff16",
    ],
)  # fmt: skip
def test_what_is_no_period_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ReportError, match=r"write 2026, 2026-Q3, 2026-07 or 2026-07-01\.\.2026-09-30, up to ten years"):
        Period.parse(text)
