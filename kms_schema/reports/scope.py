"""The schema, the period and the time that the queries of a report are about. Their SQL is in `queries`.

Each query can be run as it stands in a report. No query reads key material or credentials, so the role kms_auditor may
run all of them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kms_schema.reading.queries import Queries
from kms_schema.reading.times import time_to_text
from kms_schema.reports.periods import Period
from kms_schema.reports.selections import ADMINISTRATION_EVENTS, EXPORT_EVENTS, HIGH_RISK, USE_EVENTS, listed
from kms_schema.roles.definition import RELATIONS
from kms_schema.text.identifiers import literal

QUERIES = Queries(
    __file__,
    high_risk=HIGH_RISK,
    uses_events=listed(USE_EVENTS),
    exports_events=listed(EXPORT_EVENTS),
    administration_events=listed(ADMINISTRATION_EVENTS),
    relations=", ".join(map(literal, RELATIONS)),
)


@dataclass(frozen=True)
class Scope:
    """The subject of the queries of one snapshot."""

    engine: str
    schema: str
    period: Period
    now: datetime
    removed_until: datetime | None = None
    """Entries up to then may have been removed at the end of their period."""

    def render(self, query: str, **words: str | int) -> str:
        """Return the query of a name as it runs on this engine."""
        times = {
            "start": self.period.start,
            "end": self.period.end,
            "now": self.now,
            "day_ago": self.now - timedelta(days=1),
            "in_a_week": self.now + timedelta(days=7),
            "month_ago": self.now - timedelta(days=31),
            "recorded_from": self._recorded_from,
        }
        known = {name: self.time(at) for name, at in times.items()} | {"schema_name": literal(self.schema)}
        return QUERIES.render(query, self.engine, self.schema, **(known | words))

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
            return literal(time_to_text(at))
        return f"TIMESTAMPTZ '{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'"
