"""Appends an entry as any client does: the database sets its id, sequence, timestamp and role."""

import json
import sqlite3
import sys
from collections.abc import Mapping, Sequence

from kms_schema.audit.formats.encoding import Value, columns
from kms_schema.audit.storage.entries import Entries
from kms_schema.audit.storage.errors import TrailError, no_such_key
from kms_schema.audit.storage.transactions import OpenTrail
from kms_schema.database.messages import driver_message
from kms_schema.text.storable import check_texts


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

    Needs revision 004, and no seals. Raises `TrailError`: `unknown_key`, and `entry_refused` for values that a rule of
    the database does not allow, `TypeError` for values that JSON cannot express, and `ValueError` for a text that no
    database stores. Example::

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
    documents = {"compliance_tags": compliance_tags, "additional_metadata": additional_metadata}
    check_texts(**{**given, **documents, "key_id": key_id})
    values: dict[str, object] = {column: value for column, value in given.items() if value is not None}
    with trail.writing() as transaction:
        if key_id is not None:
            values["key_id"] = transaction.entries.key(key_id)
            if values["key_id"] is None:
                raise no_such_key(key_id)
        sequence = insert_entry(transaction.entries, values)
        (entry,) = transaction.entries.read(sequence, sequence)
        return columns(entry)


def insert_entry(entries: Entries, values: Mapping[str, object]) -> int:
    """Write an entry and return its sequence.

    - `entries`: of a transaction that writes. `values`: of the columns by their names, documents as JSON

    Raises `TrailError` (`entry_refused`) for values that a rule of the database does not allow, and other errors of the
    driver. Example::

        insert_entry(transaction.entries, {"event_type": "EXPORT", "event_category": "COMPLIANCE"})
    """
    try:
        return entries.insert(values)
    except _refusals() as error:
        reason = driver_message(error)
        raise TrailError(f"the database refuses the entry: {reason}", reason="entry_refused") from None


def _refusals() -> tuple[type[Exception], ...]:
    """Return the errors of the drivers about values; psycopg is loaded if it is used."""
    psycopg = sys.modules.get("psycopg")
    of_psycopg = () if psycopg is None else (psycopg.IntegrityError, psycopg.DataError)
    return sqlite3.IntegrityError, *of_psycopg
