"""The counts that the end of a test session prints: so many statements, so many kills."""

from collections import Counter
from collections.abc import Iterable

import pytest

PROPERTY = "kills"


class Tally:
    """What one test counts; xdist carries it to the process that prints."""

    def __init__(self, record: pytest.FixtureRequest) -> None:
        self._properties = record.node.user_properties

    def count(self, what: str, statements: int, kills: int) -> None:
        """Add to the counts of `what`, which must be equal."""
        self._properties.append((PROPERTY, [what, statements, kills]))
        assert statements == kills, what


def lines(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return a line for each thing that was counted."""
    statements: Counter[str] = Counter()
    kills: Counter[str] = Counter()
    for report in reports:
        for name, value in report.user_properties:
            if name == PROPERTY:
                what, added_statements, added_kills = value
                statements[what] += added_statements
                kills[what] += added_kills
    return [f"{what}: {statements[what]} statements, {kills[what]} kills" for what in statements]
