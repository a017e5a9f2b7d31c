"""The newest entries of the audit log as they are stored, for people: nothing is verified."""

import datetime as dt
import uuid
from dataclasses import dataclass

import sqlalchemy as sa

from kms_schema.audit.storage.errors import no_such_key
from kms_schema.models import KeyAuditLog, KeyMaster
from kms_schema.models.base import check_is_aware
from kms_schema.text.storable import check_texts


@dataclass(frozen=True)
class ListedEntry:
    """An entry, without its metadata and without the claims of the application about the client."""

    sequence: int
    id: uuid.UUID
    timestamp: dt.datetime
    event_type: str
    event_category: str
    event_description: str
    security_level: str
    risk_score: int | None
    key_id: str | None
    """The name of the key; None in the entries of its creation, whose description names it."""
    user_id: str | None
    """The acting user, as the application claims."""
    recorded_by: str
    """The role that wrote the entry."""


_ENTRIES = sa.select(
    KeyAuditLog.sequence, KeyAuditLog.id, KeyAuditLog.timestamp, KeyAuditLog.event_type, KeyAuditLog.event_category,
    KeyAuditLog.event_description, KeyAuditLog.security_level, KeyAuditLog.risk_score, KeyMaster.key_id,
    KeyAuditLog.user_id, KeyAuditLog.recorded_by,
).select_from(sa.outerjoin(KeyAuditLog, KeyMaster, KeyAuditLog.key_id == KeyMaster.id))  # fmt: skip


def listed_entries(
    connection: sa.Connection,
    *,
    key_id: str | None = None,
    event_type: str | None = None,
    since: dt.datetime | None = None,
    limit: int = 20,
) -> list[ListedEntry]:
    """Return the newest entries of the audit log in descending order.

    - `connection`: an open connection, whose option `schema_translate_map` names the schema. Needs `kms_auditor`
    - `key_id`: the name of a key. `event_type`: as it is stored, such as `VERSION_ACTIVATED`
    - `since`: an aware time: entries of then and later. `limit`: how many entries at most

    Entries are read by the sequence, and those of a key by their time: an index serves both. A type without a key has
    no index: the log is read from its end until enough entries are found. Raises `TrailError` (`unknown_key`), and
    `ValueError` for a text that no database stores, or a time without a zone. Example::

        for entry in listed_entries(connection, key_id="orders"):
            print(entry.sequence, entry.event_type)
    """
    check_texts(key_id=key_id, event_type=event_type)
    check_is_aware("since", since)
    query = _ENTRIES.limit(limit)
    if since is not None:
        query = query.where(KeyAuditLog.timestamp >= since)
    if event_type is not None:
        query = query.where(KeyAuditLog.event_type == event_type)
    if key_id is None:
        query = query.order_by(KeyAuditLog.sequence.desc())
    else:
        master = connection.execute(sa.select(KeyMaster.id).where(KeyMaster.key_id == key_id)).scalar_one_or_none()
        if master is None:
            raise no_such_key(key_id)
        query = query.where(KeyAuditLog.key_id == master)
        query = query.order_by(KeyAuditLog.timestamp.desc(), KeyAuditLog.sequence.desc())
    return [ListedEntry(*tuple(row)) for row in connection.execute(query)]
