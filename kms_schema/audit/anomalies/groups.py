"""The rows that queries return, in groups: each may become an anomaly."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from kms_schema.audit.anomalies import rules
from kms_schema.audit.anomalies.anomaly import Anomaly, Evidence
from kms_schema.audit.anomalies.rules import RuleName
from kms_schema.audit.storage.errors import TrailError
from kms_schema.reading.reader import Reader, id_of
from kms_schema.reading.times import time_of
from kms_schema.text.printable import in_a_line

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
    """A row of a query about entries: an entry, with the values of its group."""

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


class Group(list[Row]):
    """The first rows of a day, actor and subject, and what all of them have."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        """Add rows."""
        super().__init__()
        self.row_count: int = 0
        self.last_at: dt.datetime = dt.datetime.min.replace(tzinfo=dt.UTC)
        self.keys: set[str | None] = set()
        self.types: set[str] = set()
        for row in rows:
            self.add(row)

    def add(self, row: Row, *, is_kept: bool = True) -> bool:
        """Add a row; return whether it is kept. The first row of all is."""
        self.row_count += 1
        self.last_at = max(self.last_at, row.last_at)
        self.keys.add(row.key_id)
        self.types.add(row.event_type)
        if self and (len(self) >= rules.MOST_ENTRIES or not is_kept):
            return False
        self.append(row)
        return True

    @property
    def total(self) -> int:
        """Entries or keys of the group: those that its query has counted, else its rows."""
        return max(self.row_count, self[0].total)


def rows_of(log: Reader, query: str, **values: object) -> Iterator[Row]:
    """Yield the rows of a query about entries, one at a time: they can be as many as the entries of the period."""
    for values_of_row in log.stream(query, **values):
        row = Row(*values_of_row)
        yield row._replace(day=time_of(row.day), at=time_of(row.at), last_at=time_of(row.last_at))


def name_of(row: Row) -> tuple[dt.datetime, str, str]:
    """Return the name of the group of a row: its day, actor and subject."""
    return row.day, row.actor or "", row.about or ""


def groups_of(rows: Iterable[Row], period: Period) -> list[Group]:
    """Return the rows of each day, actor and subject together, by these; each with its first rows and the count of all.

    Each group is an anomaly if its last entry is in the period. Many of one group hide no other: all rows are read, and
    few are kept. Raises `TrailError` if more would be, before there are as many anomalies as are returned.
    """
    groups: dict[tuple[dt.datetime, str, str], Group] = {}
    kept, is_enough = 0, False
    for row in rows:
        group = groups.get(name := name_of(row))
        if group is None:
            if kept >= rules.MOST_KEPT and not is_enough:
                is_enough = sum(each.last_at >= period.since for each in groups.values()) >= rules.MOST_ANOMALIES
                if not is_enough:
                    raise too_many(f"{rules.MOST_KEPT} entries")
            if is_enough:
                continue
            group = groups[name] = Group()
        kept += group.add(row, is_kept=kept < rules.MOST_KEPT)
    return [groups[name] for name in sorted(groups)]


def entries_of(log: Reader, query: str, firsts: Iterable[Row], period: Period) -> list[Group]:
    """Return the groups of the first rows, of which there can be many, with the first entries of each."""
    recent = sorted((row for row in firsts if row.last_at >= period.since), key=lambda row: row.at)
    names = set(map(name_of, recent[: rules.MOST_ANOMALIES]))
    if not names:
        return []
    rows = rows_of(log, query, since=period.start, until=period.until, places=rules.MOST_ENTRIES)
    return groups_of((row for row in rows if name_of(row) in names), period)


def too_many(kept: str) -> TrailError:
    """Return the error of a period that has more to compare than is kept in memory."""
    return TrailError(
        f"the days since the given time have more than {kept} to compare: give a later time (--since), and look at the"
        " logins and users with the most entries in key_audit_logs"
    )


def anomaly_of(rule: RuleName, group: Group, summary: Callable[[Group], str]) -> Anomaly:
    """Return the anomaly of a group, with its first entries."""
    first = group[0]
    entries = tuple(Evidence(id_of(row.id), row.sequence, row.at, row.event_type, row.key_id) for row in group)
    return Anomaly(
        rule=rule,
        day=first.day.date(),
        actor=first.actor,
        key_id=first.key_id if _is_about_one_key(group) else None,
        about=first.about or "",
        summary=in_a_line(summary(group)),
        first_at=min(row.at for row in group),
        last_at=group.last_at,
        entry_count=group.total,
        entries=entries,
    )


def _is_about_one_key(group: Group) -> bool:
    return len(group.keys) == 1 and (group.row_count >= group[0].total or group[0].about == group[0].key_id)
