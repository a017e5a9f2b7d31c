"""The rules that compare a day with the days before."""

import datetime as dt
from functools import partial
from itertools import pairwise
from typing import Any

from kms_schema.audit.anomalies import rules
from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.groups import (
    DAY,
    Group,
    Period,
    Row,
    anomaly_of,
    entries_of,
    groups_of,
    name_of,
    rows_of,
    too_many,
)
from kms_schema.audit.anomalies.rules import RuleName
from kms_schema.reading.reader import Reader
from kms_schema.reading.times import time_of

PERIODS = tuple((first, last) for last, first in pairwise((0, *rules.LOOKED_BACK)))
"""Days before, from one to another: most of what is usual is found in the first period, and needs no other."""


def sweeps(log: Reader, period: Period) -> list[Anomaly]:
    """Find logins that use or change many more keys than on any usual day."""
    first = log.rows("first_entry")
    if not first:
        return []
    most: dict[Row, int] = {}
    for row in rows_of(log, "touched_keys", since=period.start, until=period.until, places=1):
        if time_of(first[0][0]) <= row.day - rules.ESTABLISHED_DAYS * DAY:
            if len(most) >= rules.MOST_KEPT:
                raise too_many(f"{rules.MOST_KEPT} days of logins")
            most[row] = 0
    for first_day, last_day in PERIODS:
        if not most:
            break
        actors = sorted({str(row.recorded_by) for row in most})
        span = {"since": period.before(first_day), "until": _end(period, last_day)}
        days: dict[tuple[str, str], dict[dt.datetime, int]] = {}
        for actor, kind, day, total in log.rows("touched_before", actors=actors, **span):
            days.setdefault((actor, kind), {})[time_of(day)] = total
        for row in tuple(most):
            before = days.get((str(row.recorded_by), str(row.about)), {}).items()
            counts = (total for past, total in before if _is_known(past, row.day))
            most[row] = max(most[row], *counts, 0)
            if row.total <= rules.SWEEP_FACTOR * most[row]:
                del most[row]
    usual = {name_of(row): keys for row, keys in most.items()}
    return [
        anomaly_of(RuleName.KEY_SWEEP, group, partial(_swept, usual=usual[name_of(group[0])]))
        for group in entries_of(log, "touched_keys", most, period)
    ]


def _end(period: Period, last_day: int) -> dt.datetime:
    """Return the end of a period before the days that are judged; the first one ends with the last of them."""
    return period.before(last_day) if last_day else period.until


def _is_known(past: dt.datetime, day: dt.datetime) -> bool:
    return day - rules.KNOWN_DAYS * DAY <= past < day


def _swept(group: Group, usual: int) -> str:
    row = group[0]
    verb = "changed" if row.about == "changes" else "used"
    return (
        f"{row.recorded_by} {verb} {row.total} keys in a day, and at most {usual} on any of the {rules.KNOWN_DAYS} days"
        " before"
    )


def spikes(log: Reader, period: Period) -> list[Anomaly]:
    """Find keys that are used far more than on any day before."""
    full = {
        (key, time_of(day)): (uses, total, time_of(last_at))
        for key, day, uses, total, last_at in log.rows("full_days", since=period.start, until=period.until)
    }
    most = dict.fromkeys(full, 0)
    established = set()
    for first_day, last_day in PERIODS:
        if not most:
            return []
        days: dict[Any, dict[dt.datetime, Any]] = {}
        keys = sorted({key for key, _ in most})
        span = {"since": period.before(first_day), "until": _end(period, last_day)}
        for key, past, uses in log.rows("daily_uses", keys=keys, **span):
            days.setdefault(key, {})[time_of(past)] = uses
        for key, day in tuple(most):
            before = {past: uses for past, uses in days.get(key, {}).items() if _is_known(past, day)}
            if any(past <= day - rules.ESTABLISHED_DAYS * DAY for past in before):
                established.add((key, day))
            most[key, day] = max(most[key, day], *before.values(), 0)
            if full[key, day][0] <= rules.SPIKE_FACTOR * most[key, day]:
                del most[key, day]
    found = {each: usual for each, usual in most.items() if each in established}
    rows = rows_of(
        log, "fullest_entries", since=period.start, until=period.until, keys=sorted({key for key, _ in found})
    )  # fmt: skip
    return [
        anomaly_of(RuleName.USE_SPIKE, _filled(group, *full[each], found[each]), _used_much)
        for group in groups_of(rows, period)
        if (each := (group[0].figure, group[0].day)) in found
    ]


def _filled(group: Group, uses: Any, total: int, last_at: dt.datetime, usual: Any) -> Group:
    return Group(row._replace(figure=int(uses), usual=int(usual), total=total, last_at=last_at) for row in group)


def _used_much(group: Group) -> str:
    row = group[0]
    return (
        f"key {row.about} had {row.figure} uses in a day, and at most {row.usual} on any of the {rules.KNOWN_DAYS} days"
        " before"
    )
