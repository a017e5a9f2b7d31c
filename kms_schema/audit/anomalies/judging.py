"""The rules about actors, ended keys, windows, forged entries and jumps: each returns the anomalies of a period."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    rows_of,
    too_many,
)
from kms_schema.audit.anomalies.rules import RuleName
from kms_schema.reading.reader import Reader, document_of, id_of
from kms_schema.reading.times import time_of
from kms_schema.rotations.claims import RotationError, Window
from kms_schema.text.printable import counted

_COLUMNS = ("policy_name", "key_type", "is_active", "rotation_window_start", "rotation_window_end", "timezone")


@dataclass(frozen=True)
class PolicyChange:
    """A recorded change of a policy."""

    kind: str
    """`POLICY_CREATED`, `POLICY_CHANGED` or `POLICY_DELETED`."""
    at: dt.datetime
    document: Mapping[str, Any]


class PolicyWindows:
    """The policies of a database, with their values before each change."""

    def __init__(self, policies: Mapping[str, Mapping[str, Any]], changes: Iterable[PolicyChange]) -> None:
        """Take the policies as they are now, by id, and their changes, the latest first."""
        self._states: list[tuple[dt.datetime, Mapping[str, Mapping[str, Any]]]] = []
        """From when on which policies were in force, the latest first."""
        now = dict(policies)
        for change in changes:
            self._states.append((change.at, now))
            now = _undone(now, change)
        self._states.append((dt.datetime.min.replace(tzinfo=dt.UTC), now))

    def is_closed(self, at: dt.datetime, key_type: str, policy: str | None, *, as_of: dt.datetime) -> bool:
        """Return whether the window of a rotation is closed at a time, by the policies `as_of` a time.

        The window is that of `policy`, the id of the rotation's policy. Without one, it is closed if every active
        policy of the type of the key has a window, and none is open. The window of an unknown time zone is closed.
        """
        policies = next(state for begins, state in self._states if begins <= as_of)
        if policy is not None and policy in policies:
            return not _is_open(policies[policy], at)
        of_type = [each for each in policies.values() if each["key_type"] == key_type and each["is_active"]]
        return bool(of_type) and not any(_is_open(each, at) for each in of_type)


def _is_open(policy: Mapping[str, Any], at: dt.datetime) -> bool:
    start, end = policy["rotation_window_start"], policy["rotation_window_end"]
    if start is None or end is None:
        return True
    try:
        return Window(policy["policy_name"], start, end, policy["timezone"]).is_open(at)
    except RotationError:
        return False


def _undone(policies: Mapping[str, Mapping[str, Any]], change: PolicyChange) -> dict[str, Mapping[str, Any]]:
    """Return the policies before a change."""
    named = str(change.document.get("id", "")).replace("-", "")
    before = _section(change.document, "from")
    result = dict(policies)
    if change.kind == "POLICY_CREATED":
        result.pop(named, None)
    elif change.kind == "POLICY_DELETED":
        result[named] = {column: before.get(column) for column in _COLUMNS}
    elif named in result:
        changed = change.document.get("changed", ())
        result[named] = {**result[named], **{each: before.get(each) for each in _COLUMNS if each in changed}}
    return result


def _section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def new_actors(log: Reader, period: Period) -> list[Anomaly]:
    """Find actors that are new on a key, or new among those that change keys."""
    users = groups_of(rows_of(log, "new_users", since=period.start, until=period.until), period)
    return [
        *(anomaly_of(RuleName.NEW_ACTOR, group, _used_first) for group in users),
        *(anomaly_of(RuleName.NEW_ACTOR, group, _changed_first) for group in _new_changers(log, period)),
    ]


def _used_first(group: Group) -> str:
    row = group[0]
    keys = f"key {row.key_id}" if row.total == 1 else f"{row.total} keys"
    return f"{row.actor} used {keys} for the first time in {rules.KNOWN_DAYS} days; others have used it before"


def _changed_first(group: Group) -> str:
    row = group[0]
    return f"{row.actor} changed keys for the first time in {rules.KNOWN_DAYS} days: {counted(row.total, 'entry')}"


def _new_changers(log: Reader, period: Period) -> list[Group]:
    """Return the first day of each actor that has changed nothing in the days before.

    Most actors have changed something in the last week. Only for the others the rest of the log is read.
    """
    firsts: dict[tuple[str | None, str], Row] = {}
    for row in rows_of(log, "changes", since=period.start, until=period.until, places=1):
        actor = row.recorded_by, row.user_id or ""
        if actor not in firsts and len(firsts) >= rules.MOST_KEPT:
            raise too_many(f"{rules.MOST_KEPT} actors")
        firsts[actor] = min(firsts.get(actor, row), row, key=lambda each: each.day)
    is_established = False
    for first, last in ((7, 0), (rules.KNOWN_DAYS, 7)):
        if not firsts:
            return []
        rows = log.stream("earlier_changes", since=period.before(first), until=period.before(last))
        for recorded_by, user_id, last_at, first_at in rows:
            is_established |= time_of(first_at) < period.before(rules.ESTABLISHED_DAYS)
            found = firsts.get((recorded_by, user_id))
            if found and time_of(last_at) >= found.day - rules.KNOWN_DAYS * DAY:
                del firsts[recorded_by, user_id]
    return entries_of(log, "changes", firsts.values(), period) if is_established else []


def ended_keys_used(log: Reader, period: Period) -> list[Anomaly]:
    """Find uses of keys that had ended."""
    rows = rows_of(log, "ended_keys", since=period.start, until=period.until)
    return [anomaly_of(RuleName.ENDED_KEY_USED, group, _used_late) for group in groups_of(rows, period)]


def _used_late(group: Group) -> str:
    row = group[0]
    if group.types == {"REVOKED_KEY_OPENED"}:
        return f"{row.actor} opened the revoked key {row.about}"
    return f"{row.actor} used key {row.about} or a version of it after its end: {counted(group.total, 'entry')}"


def outside_windows(log: Reader, period: Period) -> list[Anomaly]:
    """Find rotations outside the window of their policy, as it was then and a day before."""
    known = rules.WINDOW_KNOWN_DAYS * DAY
    windows = _policy_windows(log, period.before(rules.WINDOW_KNOWN_DAYS))
    rows = rows_of(log, "moments_of_rotation", since=period.start, until=period.until)
    outside = groups_of((row for row in rows if _is_outside(windows, row, known)), period)
    return [anomaly_of(RuleName.OUTSIDE_WINDOW, group, _rotated_outside) for group in outside]


def _is_outside(windows: PolicyWindows, row: Row, known: dt.timedelta) -> bool:
    policy = None if row.usual is None else id_of(row.usual).hex
    return any(windows.is_closed(row.at, str(row.figure), policy, as_of=as_of) for as_of in (row.at, row.at - known))


def _policy_windows(log: Reader, since: dt.datetime) -> PolicyWindows:
    columns = ("policy_name", "key_type", "is_active", "rotation_window_start", "rotation_window_end", "timezone")
    policies = {id_of(row[0]).hex: dict(zip(columns, row[1:], strict=True)) for row in log.rows("policies")}
    changes = (
        PolicyChange(kind, time_of(at), document_of(document))
        for kind, at, document in log.rows("policy_changes", since=since)
    )
    return PolicyWindows(policies, changes)


def _rotated_outside(group: Group) -> str:
    what = f"key {group[0].key_id}" if len(group.keys) == 1 else f"{len(group.keys)} keys"
    did = "rotated" if "VERSION_ACTIVATED" in group.types else "started to rotate"
    return f"{group[0].actor} {did} {what} outside the rotation window"


def forged_entries(log: Reader, period: Period) -> list[Anomaly]:
    """Find entries that only look as if the database had written them."""
    rows = rows_of(log, "forged_entries", since=period.start, until=period.until)
    return [anomaly_of(RuleName.FORGED_ENTRY, group, _looks_recorded) for group in groups_of(rows, period)]


def _looks_recorded(group: Group) -> str:
    row, written = group[0], counted(group.total, "entry")
    return f"{row.actor} wrote {written} that neither the database nor a key ring writes so: {row.about}"


def jumped_counts(log: Reader, period: Period) -> list[Anomaly]:
    """Find versions whose counters grew in one statement by more than a key ring reserves."""
    rows = rows_of(log, "jumped_counts", since=period.start, until=period.until)
    return [anomaly_of(RuleName.COUNT_JUMP, group, _jumped) for group in groups_of(rows, period)]


def _jumped(group: Group) -> str:
    row, times = group[0], counted(group.total, "time")
    return f"{row.actor} raised the counters of key {row.about} by more than a key ring does, {times}: rotate the key"
