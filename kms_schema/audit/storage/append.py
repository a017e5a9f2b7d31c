"""Appends an entry as any client does: the database sets its id, sequence, timestamp and role."""

import json
from collections.abc import Mapping, Sequence

from kms_schema.audit.formats.encoding import Value, columns
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.transactions import OpenTrail


def append(  # noqa: PLR0913  (each is a column, by its name)
    trail: OpenTrail,
    *,
    event_type: str,
    event_category: str,
    event_description: str,
    security_level: str = "LOW",
    key_id: str | None = None,
    user_id: str | None = None,
    session_id: str | None = None,
    client_ip: str | None = None,
    user_agent: str | None = None,
    duration_ms: int | None = None,
    risk_score: int | None = None,
    compliance_tags: Sequence[object] | None = None,
    additional_metadata: Mapping[str, object] | None = None,
) -> dict[str, Value]:
    """Append an entry to the audit log, commit it, and return its columns as a proof has them.

    event_type: a letter, then up to 49 letters, digits, `_`, `.`, `:` or `-`, all of ASCII.
    event_category, security_level: values of `AuditCategory` and `AuditSecurityLevel`.
    key_id: the name of a key, as in `key_masters.key_id`.
    user_id, session_id, client_ip, user_agent: the acting user, as the application claims; the database sets
    `recorded_by`.
    duration_ms: milliseconds. risk_score: 0 to 100.
    compliance_tags, additional_metadata: written as JSON.

    Needs revision 004, and no seals. Raises `TrailError` if there is no such key, `TypeError` for values that JSON
    cannot express, and an error of the driver for an entry that the database refuses. Example::

        entry = append(trail, event_type="EXPORT", event_category="COMPLIANCE", event_description="sent to the auditor")
        print(entry["id"], entry["sequence"], entry["timestamp"])
    """
    given = {
        "event_type": event_type,
        "event_category": event_category,
        "event_description": event_description,
        "security_level": security_level,
        "user_id": user_id,
        "session_id": session_id,
        "client_ip": client_ip,
        "user_agent": user_agent,
        "duration_ms": duration_ms,
        "risk_score": risk_score,
        "compliance_tags": None if compliance_tags is None else json.dumps(compliance_tags),
        "additional_metadata": None if additional_metadata is None else json.dumps(additional_metadata),
    }
    values: dict[str, object] = {column: value for column, value in given.items() if value is not None}
    with trail.writing() as transaction:
        if key_id is not None:
            values["key_id"] = transaction.entries.key(key_id)
            if values["key_id"] is None:
                raise TrailError(f"there is no key named {key_id}")
        sequence = transaction.entries.insert(values)
        (entry,) = transaction.entries.read(sequence, sequence)
        return columns(entry)
