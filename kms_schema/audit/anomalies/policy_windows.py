"""The rotation windows of policies at earlier times, from the policies as they are and their recorded changes."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kms_schema.rotations.claims import RotationError
from kms_schema.rotations.windows import Window

_COLUMNS = ("policy_name", "key_type", "is_active", "rotation_window_start", "rotation_window_end", "timezone")


@dataclass(frozen=True)
class PolicyChange:
    """A recorded change of a policy."""

    kind: str
    """`POLICY_CREATED`, `POLICY_CHANGED` or `POLICY_DELETED`."""
    at: dt.datetime
    document: Mapping[str, Any]


class PolicyWindows:
    """The policies of a database, and what they were before each change."""

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
