"""The rules: each reads what its queries return, compares it with its thresholds, and returns anomalies."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from kms_schema.audit.anomalies import rules
from kms_schema.audit.anomalies.anomaly import Anomaly, Evidence
from kms_schema.audit.anomalies.log_reader import LogReader
from kms_schema.audit.anomalies.policy_windows import PolicyChange, PolicyWindows
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

    def before(self, days: float) -> dt.datetime:
        """Return the time so many days before the start."""
        return self.start - dt.timedelta(days=days)


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


def new_actors(log: LogReader, period: Period) -> list[Anomaly]:
    """Find actors that are new on a key, or new among those that change keys."""
    users = _rows(log, "new_users", since=period.start, until=period.until)
    changes = _rows(log, "changes", since=period.start, until=period.until)
    return [
        *(_anomaly(log, RuleName.NEW_ACTOR, group, _used_first) for group in _groups(users)),
        *(_anomaly(log, RuleName.NEW_ACTOR, group, _changed_first) for group in _new_changers(log, period, changes)),
    ]


def _used_first(group: Group) -> str:
    row = group[0]
    keys = f"key {row.key_id}" if row.total == 1 else f"{row.total} keys"
    return f"{row.actor} used {keys} for the first time in {rules.KNOWN_DAYS} days; others have used it before"


def _changed_first(group: Group) -> str:
    row = group[0]
    return f"{row.actor} changed keys for the first time in {rules.KNOWN_DAYS} days: {_count(row.total, 'entry')}"


def _new_changers(log: LogReader, period: Period, changes: Sequence[Row]) -> Iterator[Group]:
    """Yield the first day of each actor that has changed nothing in the days before.

    Most actors have changed something in the last week. Only for the others the rest of the log is read.
    """
    firsts: dict[tuple[str | None, str], Group] = {}
    for group in _groups(changes):
        firsts.setdefault((group[0].recorded_by, group[0].user_id or ""), group)
    is_established = False
    for first, last in ((7, 0), (rules.KNOWN_DAYS, 7)):
        if not firsts:
            return
        rows = log.rows("earlier_changes", since=period.before(first), until=period.before(last))
        for recorded_by, user_id, last_at, first_at in rows:
            is_established |= log.time(first_at) < period.before(rules.ESTABLISHED_DAYS)
            group = firsts.get((recorded_by, user_id), [])
            if group and log.time(last_at) >= group[0].day - rules.KNOWN_DAYS * DAY:
                del firsts[recorded_by, user_id]
    if is_established:
        yield from firsts.values()


def ended_keys_used(log: LogReader, period: Period) -> list[Anomaly]:
    """Find uses of keys that had ended."""
    rows = _rows(log, "ended_keys", since=period.start, until=period.until)
    return [_anomaly(log, RuleName.ENDED_KEY_USED, group, _used_late) for group in _groups(rows)]


def _used_late(group: Group) -> str:
    opened = sum(row.event_type == "REVOKED_KEY_OPENED" for row in group)
    row = group[0]
    if opened == len(group):
        return f"{row.actor} opened the revoked key {row.about}"
    return f"{row.actor} used key {row.about} or a version of it after its end: {_count(len(group), 'entry')}"


def sweeps(log: LogReader, period: Period) -> list[Anomaly]:
    """Find logins that use or change many more keys than on any usual day."""
    groups = _groups(_rows(log, "touched_keys", since=period.start, until=period.until))
    first = log.rows("first_entry")
    if not groups or not first:
        return []
    groups = [each for each in groups if log.time(first[0][0]) <= each[0].day - rules.ESTABLISHED_DAYS * DAY]
    most = dict.fromkeys(range(len(groups)), 0)
    for first_day, last_day in ((rules.USUAL_DAYS, 0), (rules.KNOWN_DAYS, rules.USUAL_DAYS)):
        actors = sorted({str(groups[number][0].recorded_by) for number in most})
        if not actors:
            break
        until = period.until if last_day == 0 else period.before(last_day)
        days: dict[tuple[str, str], dict[dt.datetime, int]] = {}
        for actor, kind, day, total in log.rows(
            "touched_before", since=period.before(first_day), until=until, actors=actors
        ):
            days.setdefault((actor, kind), {})[log.time(day)] = total
        for number in tuple(most):
            row = groups[number][0]
            before = days.get((str(row.recorded_by), str(row.about)), {}).items()
            counts = (total for day, total in before if row.day - rules.KNOWN_DAYS * DAY <= day < row.day)
            most[number] = max(most[number], *counts, 0)
            if row.total <= rules.SWEEP_FACTOR * most[number]:
                del most[number]
    return [
        _anomaly(log, RuleName.KEY_SWEEP, groups[number], partial(_swept, usual=usual))
        for number, usual in most.items()
    ]


def _swept(group: Group, usual: int) -> str:
    row = group[0]
    verb = "changed" if row.about == "changes" else "used"
    return (
        f"{row.recorded_by} {verb} {row.total} keys in a day, and at most {usual} on any of the {rules.KNOWN_DAYS} days"
        " before"
    )


def spikes(log: LogReader, period: Period) -> list[Anomaly]:
    """Find keys that are used far more than on any usual day."""
    earliest = {"usual_from": period.before(rules.USUAL_DAYS), "known_from_of_all": period.before(rules.KNOWN_DAYS)}
    rows = _rows(log, "spikes", since=period.start, until=period.until, **earliest)
    return [_anomaly(log, RuleName.USE_SPIKE, group, _used_much) for group in _groups(rows)]


def _used_much(group: Group) -> str:
    row = group[0]
    return (
        f"key {row.about} had {int(row.figure)} uses in a day, and at most {int(row.usual)} on any of the"
        f" {rules.KNOWN_DAYS} days before"
    )


def outside_windows(log: LogReader, period: Period) -> list[Anomaly]:
    """Find rotations outside the window of their policy, as it was then and a day before."""
    known = dt.timedelta(hours=rules.WINDOW_KNOWN_HOURS)
    rows = _rows(log, "moments_of_rotation", since=period.start, until=period.until)
    if not rows:
        return []
    windows = _policy_windows(log, period.start - known)
    outside = [row for row in rows if _is_outside(log, windows, row, known)]
    return [_anomaly(log, RuleName.OUTSIDE_WINDOW, group, _rotated_outside) for group in _groups(outside)]


def _is_outside(log: LogReader, windows: PolicyWindows, row: Row, known: dt.timedelta) -> bool:
    policy = None if row.usual is None else log.row_id(row.usual).hex
    return any(windows.is_closed(row.at, str(row.figure), policy, as_of=as_of) for as_of in (row.at, row.at - known))


def _policy_windows(log: LogReader, since: dt.datetime) -> PolicyWindows:
    columns = ("policy_name", "key_type", "is_active", "rotation_window_start", "rotation_window_end", "timezone")
    policies = {log.row_id(row[0]).hex: dict(zip(columns, row[1:], strict=True)) for row in log.rows("policies")}
    changes = (
        PolicyChange(kind, log.time(at), log.document(document))
        for kind, at, document in log.rows("policy_changes", since=since)
    )
    return PolicyWindows(policies, changes)


def _rotated_outside(group: Group) -> str:
    keys = sorted({str(row.key_id) for row in group})
    what = f"key {keys[0]}" if len(keys) == 1 else f"{len(keys)} keys"
    return f"{group[0].actor} rotated {what} outside the rotation window"


def forged_entries(log: LogReader, period: Period) -> list[Anomaly]:
    """Find entries that only look as if the database had written them."""
    rows = _rows(log, "forged_entries", since=period.start, until=period.until)
    return [_anomaly(log, RuleName.FORGED_ENTRY, group, _looks_recorded) for group in _groups(rows)]


def _looks_recorded(group: Group) -> str:
    return (
        f"{group[0].actor} wrote what looks like recorded changes, with {group[0].about}: {_count(len(group), 'entry')}"
    )


def _rows(log: LogReader, query: str, **values: object) -> list[Row]:
    rows = (Row(*row) for row in log.rows(query, **values))
    return [
        row._replace(day=log.time(row.day), at=log.time(row.at), last_at=log.time(row.last_at)) for row in rows
    ]  # fmt: skip


def _groups(rows: Iterable[Row]) -> list[Group]:
    """Return the rows of each day, actor and subject together, in their order."""

    def named(row: Row) -> tuple[dt.datetime, str, str]:
        return row.day, row.actor or "", row.about or ""

    return [list(group) for _, group in groupby(sorted(rows, key=named), named)]


def _anomaly(log: LogReader, rule: RuleName, group: Group, summary: Callable[[Group], str]) -> Anomaly:
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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun.removesuffix('y')}ies"
