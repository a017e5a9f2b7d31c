"""The rows that queries return, in groups: each may become an anomaly."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from kms_schema.audit.anomalies import rules
from kms_schema.audit.anomalies.anomaly import Anomaly, Evidence
from kms_schema.audit.anomalies.log_reader import LogReader
from kms_schema.audit.anomalies.rules import RuleName
from kms_schema.printable import in_a_line

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """The time that is judged."""

    since: dt.datetime
    until: dt.datetime

    @property
    def start(self) -> dt.datetime:
        """The start of the first UTC day."""
        return self.since.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    def before(self, days: int) -> dt.datetime:
        """Return the time so many days before the start, in the first year at the earliest."""
        return max(self.start, dt.datetime(2, 1, 1, tzinfo=dt.UTC)) - dt.timedelta(days=days)


class Row(NamedTuple):
    """A row of a query about entries: an entry, and what the query says of its group."""

    day: dt.datetime
    recorded_by: str | None
    user_id: str | None
    about: str | None
    total: int
    """Entries or keys of the group; 1 if each row is counted."""
    figure: Any
    usual: Any
    id: Any
    sequence: int
    at: dt.datetime
    event_type: str
    key_id: str | None
    last_at: dt.datetime

    @property
    def actor(self) -> str | None:
        """The login, and for whom it says that it acts."""
        if self.recorded_by is None:
            return None
        return f"{self.recorded_by} for {self.user_id}" if self.user_id else self.recorded_by


Group = list[Row]


def rows_of(log: LogReader, query: str, **values: object) -> list[Row]:
    """Return the rows of a query about entries."""
    rows = (Row(*row) for row in log.rows(query, **values))
    return [
        row._replace(day=log.time(row.day), at=log.time(row.at), last_at=log.time(row.last_at)) for row in rows
    ]  # fmt: skip


def groups_of(rows: Iterable[Row]) -> list[Group]:
    """Return the rows of each day, actor and subject together, in their order."""

    def named(row: Row) -> tuple[dt.datetime, str, str]:
        return row.day, row.actor or "", row.about or ""

    return [list(group) for _, group in groupby(sorted(rows, key=named), named)]


def anomaly_of(log: LogReader, rule: RuleName, group: Group, summary: Callable[[Group], str]) -> Anomaly:
    """Return the anomaly of a group, with its first entries."""
    first = group[0]
    keys = {row.key_id for row in group}
    entries = tuple(
        Evidence(log.row_id(row.id), row.sequence, row.at, row.event_type, row.key_id)
        for row in group[: rules.MOST_ENTRIES]
    )
    return Anomaly(
        rule=rule,
        day=first.day.date(),
        actor=first.actor,
        key_id=first.key_id if len(keys) == 1 and (len(group) >= first.total or first.about == first.key_id) else None,
        about=first.about or "",
        summary=in_a_line(summary(group)),
        first_at=min(row.at for row in group),
        last_at=max(row.last_at for row in group),
        entry_count=max(len(group), first.total),
        entries=entries,
    )
