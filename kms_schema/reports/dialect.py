"""The form of the queries of reports for one engine, period and time."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kms_schema.reports.periods import Period
from kms_schema.text.identifiers import quoted


@dataclass(frozen=True)
class Dialect:
    """An engine's form of the queries, for one period and one time of the snapshot."""

    engine: str
    schema: str
    period: Period
    now: datetime
    removed_until: datetime | None = None
    """Entries up to then may have been removed at the end of their period."""

    def render(self, query: str, condition: str = "") -> str:
        """Return a query as it runs on this engine."""
        values = {
            "p": "main." if self.engine == "sqlite" else f"{quoted(self.schema)}.",
            "schema": _literal(self.schema),
            "start": self.time(self.period.start),
            "end": self.time(self.period.end),
            "now": self.time(self.now),
            "day_ago": self.time(self.now - timedelta(days=1)),
            "in_a_week": self.time(self.now + timedelta(days=7)),
            "month_ago": self.time(self.now - timedelta(days=31)),
            "recorded_from": self.time(self._recorded_from),
            "condition": condition,
        }
        # Only these: a condition may have braces.
        found = re.sub(r"\{(\w+)\}", lambda match: values[match[1]], query)
        for name, write in _FORMS[self.engine].items():
            pattern = rf"\b{name}\(((?:[^()']|'[^']*'|\((?:[^()]|\([^()]*\))*\))*)\)"
            while match := re.search(pattern, found):
                found = found[: match.start()] + write(match[1]) + found[match.end() :]
        return found

    @property
    def removed(self) -> bool:
        """True if entries of the period may have been removed."""
        return self.removed_until is not None and self.removed_until >= self.period.start

    @property
    def _recorded_from(self) -> datetime:
        """The time from which the entry of a revocation or destruction is still there, up to a day before or after."""
        if self.removed_until is None:
            return self.period.start
        return max(self.period.start, self.removed_until + timedelta(days=1))

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


def _days_after_on_sqlite(arguments: str) -> str:
    time, days = _two(arguments)
    # Date functions have a precision of milliseconds: the fraction of the second is appended afterwards.
    return f"(strftime('%Y-%m-%dT%H:%M:%S', substr({time}, 1, 19), {days} || ' days') || substr({time}, 20))"


def _earliest_on_sqlite(arguments: str) -> str:
    """`min` with several arguments is NULL if one is, and `least` of PostgreSQL is not."""
    listed = ", ".join(f"coalesce({each.strip()}, '~')" for each in arguments.split(","))
    return f"nullif(min({listed}), '~')"


_FORMS: dict[str, dict[str, Callable[[str], str]]] = {
    "postgresql": {
        "shifted": lambda given: "({} + interval '{}')".format(*_two(given)),
        "days_after": lambda given: "({} + make_interval(hours => 24 * {}))".format(*_two(given)),
        "earliest": "least({})".format,
        "json_text": lambda given: "({} ->> '{}')".format(*_two(given)),
        "month_of": lambda given: f"to_char({given} AT TIME ZONE 'UTC', 'YYYY-MM')",
        "text_of": lambda given: f"CAST({given} AS text)",
    },
    "sqlite": {
        "shifted": _shifted_on_sqlite,
        "days_after": _days_after_on_sqlite,
        "earliest": _earliest_on_sqlite,
        "json_text": lambda given: "json_extract({}, '$.{}')".format(*_two(given)),
        "month_of": lambda given: f"substr({given}, 1, 7)",
        "text_of": lambda given: f"CAST({given} AS text)",
    },
}
