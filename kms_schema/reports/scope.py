"""The schema, the period, the time and the entries that the queries of a report are about. Their SQL is in `queries`.

Each query can be run as it stands in a report. No query reads key material or credentials, so the role kms_auditor may
run all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kms_schema.reading.queries import Queries
from kms_schema.reading.times import time_to_text
from kms_schema.reports.periods import Period
from kms_schema.roles.definition import RELATIONS
from kms_schema.text.identifiers import literal

HIGH_LEVELS = ("HIGH", "CRITICAL")
HIGH_SCORE = 70
HIGH_RISK = "(risk_score >= 70 OR security_level IN ('HIGH', 'CRITICAL'))"
"""The condition of `idx_key_audit_high_risk_partial`."""

EXPORT_EVENTS = (
    "REVOKED_KEY_OPENED", "KEY_HANDOVER_STARTED", "KEY_HANDED_OVER", "KEY_TAKEN_OVER", "DOCUMENT_WRITTEN",
)  # fmt: skip
USE_EVENTS = ("KEY_USED", "KEY_USE_REFUSED")
ADMINISTRATION_EVENTS = (
    "RIGHTS_CHANGED", "POLICY_CREATED", "POLICY_CHANGED", "POLICY_DELETED",
    "HSM_CONFIGURATION_CREATED", "HSM_CONFIGURATION_CHANGED", "HSM_CONFIGURATION_DELETED",
)  # fmt: skip


def listed(events: Iterable[str]) -> str:
    """Return types of entries as literals of SQL."""
    return ", ".join(f"'{each}'" for each in sorted(events))


@dataclass(frozen=True)
class Selection:
    """The entries of the period that a claim quotes: those of some types, or all that need a review."""

    events: frozenset[str] = frozenset()
    high_risk: bool = False

    @property
    def condition(self) -> str:
        """The condition of SQL that selects them."""
        if self.high_risk:
            return HIGH_RISK
        return f"event_type IN ({listed(self.events)})"

    def has(self, event_type: str, security_level: str, risk_score: int | None) -> bool:
        """Return whether an entry is selected."""
        if self.high_risk:
            return security_level in HIGH_LEVELS or (risk_score or 0) >= HIGH_SCORE
        return event_type in self.events


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
