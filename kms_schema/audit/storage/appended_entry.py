"""One entry, written as any client writes it: the database sets who, when and in which order."""

import json
from collections.abc import Mapping, Sequence

from kms_schema.audit.formats.encoding import Value, columns
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.transactions import OpenTrail


def append(  # noqa: PLR0913  (columns, each by its name)
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
    """Write an entry, commit it, and return its columns as a proof has them: `id`, `sequence`, `timestamp`, ….

    `key_id` is the name that `key_masters.key_id` has. Raises `TrailError` where there is no such key, and what the
    driver raises for an entry that the database refuses.
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
                raise TrailError(f"there is no key called {key_id}")
        sequence = transaction.entries.insert(values)
        (entry,) = transaction.entries.read(sequence, sequence)
        return columns(entry)
