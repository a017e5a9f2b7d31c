"""The entries that the database wrote about a change, in the same form for both engines."""

import datetime as dt
import re
import uuid
from typing import Any

from kms_schema.vocabulary import RecordedEvent
from support.rows.smallest import Row

FILLED_IN = {
    "activated_at", "rotated_at", "expired_at", "revoked_at", "archived_at",
    "started_at", "completed_at", "failed_at", "retry_count", "claimed_by",
}  # fmt: skip
"""Columns that the database sets; SQLite sets them after the entry is written, so the entry lacks them."""
_CHANGED = {RecordedEvent.KEY_CHANGED, RecordedEvent.ROTATION_CHANGED}
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")


def same_on_every_engine(entries: list[Row]) -> list[Row]:
    """Return the trail without what the engines say each in its way, in an order that does not depend on rows'."""
    return sorted((_same(entry) for entry in entries if not _is_of_what_was_filled_in(entry)), key=repr)


def _is_of_what_was_filled_in(entry: Row) -> bool:
    """On SQLite the database fills in with an UPDATE of its own, which is recorded where it replaces a value."""
    return entry["event_type"] in _CHANGED and set(entry["additional_metadata"]["changed"]) <= FILLED_IN


def _same(entry: Row) -> Row:
    if entry["event_type"] not in set(RecordedEvent):
        return entry
    document = entry["additional_metadata"]
    said: Row = {"id": uuid.UUID(document["id"]), "changed": sorted(set(document["changed"]) - FILLED_IN)}
    for side in document.keys() & {"from", "to"}:
        values = document[side]
        said[side] = {name: _value(values[name]) for name in sorted(values.keys() - FILLED_IN)}
        if "ciphertext_tag" in said[side]:
            said[side]["ciphertext_tag"] = "a number"
    description = _ID.sub(lambda found: str(uuid.UUID(found[0])), entry["event_description"])
    return {**entry, "event_description": description, "additional_metadata": said}


def _value(value: Any) -> Any:
    if isinstance(value, str) and _ID.fullmatch(value):
        return uuid.UUID(value)
    if isinstance(value, str) and _TIME.fullmatch(value):
        moment = dt.datetime.fromisoformat(value)
        return "the clock" if 2020 < moment.year < 2100 else moment
    return value
