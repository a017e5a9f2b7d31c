"""The form of the queries of reports for one engine, period and time."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kms_schema.identifiers import quoted
from kms_schema.reports.periods import Period


@dataclass(frozen=True)
class Dialect:
    """An engine's form of the queries, for one period and one time of the snapshot."""

    engine: str
    schema: str
    period: Period
    now: datetime

    def render(self, query: str, condition: str = "") -> str:
        """Return a query as it runs on this engine."""
        values = {
            "p": "main." if self.engine == "sqlite" else f"{quoted(self.schema)}.",
            "schema": _literal(self.schema),
            "start": self.time(self.period.start),
            "end": self.time(self.period.end),
            "now": self.time(self.now),
            "day_ago": self.time(self.now - timedelta(days=1)),
            "condition": condition,
        }
        # Only these: a condition may have braces.
        found = re.sub(r"\{(\w+)\}", lambda match: values[match[1]], query)
        for name, write in _FORMS[self.engine].items():
            pattern = rf"\b{name}\(((?:[^()']|'[^']*'|\((?:[^()]|\([^()]*\))*\))*)\)"
            while match := re.search(pattern, found):
                found = found[: match.start()] + write(match[1]) + found[match.end() :]
        return found

    def time(self, at: datetime) -> str:
        """Return a time as a literal of SQL."""
        if self.engine == "sqlite":
            return f"'{at:%Y-%m-%dT%H:%M:%S.%fZ}'"
        return f"TIMESTAMPTZ '{at:%Y-%m-%d %H:%M:%S.%f}+00'"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _two(arguments: str) -> tuple[str, str]:
    first, _, second = arguments.rpartition(", ")
    return first, second.strip("'")


def _shifted_on_sqlite(arguments: str) -> str:
    time, span = _two(arguments)
    sign = "" if span.startswith("-") else "+"
    return f"strftime('%Y-%m-%dT%H:%M:%f', substr({time}, 1, 23), '{sign}{span}')"


_FORMS: dict[str, dict[str, Callable[[str], str]]] = {
    "postgresql": {
        "shifted": lambda given: "({} + interval '{}')".format(*_two(given)),
        "json_text": lambda given: "({} ->> '{}')".format(*_two(given)),
        "month_of": lambda given: f"to_char({given} AT TIME ZONE 'UTC', 'YYYY-MM')",
        "text_of": lambda given: f"CAST({given} AS text)",
    },
    "sqlite": {
        "shifted": _shifted_on_sqlite,
        "json_text": lambda given: "json_extract({}, '$.{}')".format(*_two(given)),
        "month_of": lambda given: f"substr({given}, 1, 7)",
        "text_of": lambda given: f"CAST({given} AS text)",
    },
}
