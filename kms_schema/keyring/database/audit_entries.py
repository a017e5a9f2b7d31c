"""The entries that the ring writes to the audit log itself, as values of a row."""

import datetime as dt
import os
import socket
import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.keyring.errors import DatabaseUnavailableError
from kms_schema.models import KeyAuditLog
from kms_schema.vocabulary import AuditCategory, AuditSecurityLevel, UseEvent

KEY_IMPORTED = "KEY_IMPORTED"

_OF_EVENT = {
    event: {"event_type": event, "event_category": event.category, "security_level": event.security_level}
    for event in UseEvent
}


def use_entry(
    event: UseEvent, key: uuid.UUID, description: str, details: Mapping[str, Any], actor: str | None = None
) -> dict[str, Any]:
    """Return the entry about a use of the key with the id `key` by this process. None of its texts is a secret."""
    details = {**details, "process": f"{socket.gethostname()}:{os.getpid()}"}
    values = {**_OF_EVENT[event], "key_id": key, "event_description": description, "additional_metadata": details}
    return values if actor is None else {**values, "user_id": actor}


def append(session: Session, entry: Mapping[str, Any], key_id: str) -> None:
    """Append an entry that must exist before the operation that it is about.

    Raises `DatabaseUnavailableError` if a trigger or a rule discards it, which is no error of the database.
    """
    statement = sa.insert(KeyAuditLog).values(**entry).inline().execution_options(preserve_rowcount=True)
    if session.connection().execute(statement).rowcount != 1:
        raise DatabaseUnavailableError(
            "a trigger or rule discards entries of the audit log: nothing was done; run kms-schema validate",
            key_id=key_id,
        )


def import_entry(key: uuid.UUID, key_id: str, since: dt.datetime, used: int) -> dict[str, Any]:
    """Return the entry about a key that was in use elsewhere since a time, with the number of its encryptions there."""
    return {
        "key_id": key,
        "event_type": KEY_IMPORTED,
        "event_category": AuditCategory.LIFECYCLE,
        "event_description": f"key imported: {key_id}, in use since {since:%Y-%m-%dT%H:%M:%SZ}",
        "security_level": AuditSecurityLevel.MEDIUM,
        "additional_metadata": {"activated_at": since.isoformat(), "used": used},
    }
