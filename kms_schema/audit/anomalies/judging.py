"""The rules about actors, ended keys, windows and forged entries: each returns the anomalies of a period."""

import datetime as dt
from collections.abc import Iterator, Sequence

from kms_schema.audit.anomalies import rules
from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.groups import DAY, Group, Period, Row, anomaly_of, groups_of, rows_of
from kms_schema.audit.anomalies.log_reader import LogReader
from kms_schema.audit.anomalies.policy_windows import PolicyChange, PolicyWindows
from kms_schema.audit.anomalies.rules import RuleName
from kms_schema.printable import counted


def new_actors(log: LogReader, period: Period) -> list[Anomaly]:
    """Find actors that are new on a key, or new among those that change keys."""
    users = rows_of(log, "new_users", since=period.start, until=period.until)
    changes = rows_of(log, "changes", since=period.start, until=period.until)
    return [
        *(anomaly_of(log, RuleName.NEW_ACTOR, group, _used_first) for group in groups_of(users)),
        *(anomaly_of(log, RuleName.NEW_ACTOR, group, _changed_first) for group in _new_changers(log, period, changes)),
    ]


def _used_first(group: Group) -> str:
    row = group[0]
    keys = f"key {row.key_id}" if row.total == 1 else f"{row.total} keys"
    return f"{row.actor} used {keys} for the first time in {rules.KNOWN_DAYS} days; others have used it before"


def _changed_first(group: Group) -> str:
    row = group[0]
    return f"{row.actor} changed keys for the first time in {rules.KNOWN_DAYS} days: {counted(row.total, 'entry')}"


def _new_changers(log: LogReader, period: Period, changes: Sequence[Row]) -> Iterator[Group]:
    """Yield the first day of each actor that has changed nothing in the days before.

    Most actors have changed something in the last week. Only for the others the rest of the log is read.
    """
    firsts: dict[tuple[str | None, str], Group] = {}
    for group in groups_of(changes):
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
    rows = rows_of(log, "ended_keys", since=period.start, until=period.until)
    return [anomaly_of(log, RuleName.ENDED_KEY_USED, group, _used_late) for group in groups_of(rows)]


def _used_late(group: Group) -> str:
    opened = sum(row.event_type == "REVOKED_KEY_OPENED" for row in group)
    row = group[0]
    if opened == len(group):
        return f"{row.actor} opened the revoked key {row.about}"
    return f"{row.actor} used key {row.about} or a version of it after its end: {counted(len(group), 'entry')}"


def outside_windows(log: LogReader, period: Period) -> list[Anomaly]:
    """Find rotations outside the window of their policy, as it was then and a day before."""
    known = rules.WINDOW_KNOWN_DAYS * DAY
    rows = rows_of(log, "moments_of_rotation", since=period.start, until=period.until)
    if not rows:
        return []
    windows = _policy_windows(log, period.before(rules.WINDOW_KNOWN_DAYS))
    outside = [row for row in rows if _is_outside(log, windows, row, known)]
    return [anomaly_of(log, RuleName.OUTSIDE_WINDOW, group, _rotated_outside) for group in groups_of(outside)]


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
    did = "rotated" if any(row.event_type == "VERSION_ACTIVATED" for row in group) else "started to rotate"
    return f"{group[0].actor} {did} {what} outside the rotation window"


def forged_entries(log: LogReader, period: Period) -> list[Anomaly]:
    """Find entries that only look as if the database had written them."""
    rows = rows_of(log, "forged_entries", since=period.start, until=period.until)
    return [anomaly_of(log, RuleName.FORGED_ENTRY, group, _looks_recorded) for group in groups_of(rows)]


def _looks_recorded(group: Group) -> str:
    row, written = group[0], counted(len(group), "entry")
    return f"{row.actor} wrote {written} that neither the database nor a key ring writes so: {row.about}"
