"""Keys with versions that a superuser puts in, for roles to work with."""

import datetime as dt
import secrets
import uuid
from typing import Any

from support.engines.database import Connection
from support.rows.smallest import insert, unique

HOUR = dt.timedelta(hours=1)


def blob() -> dict[str, Any]:
    """Return the columns of material wrapped by a key that is kept elsewhere."""
    return {
        "encrypted_key_data": b"\x01" + secrets.token_bytes(12 + 32 + 16),
        "key_checksum": secrets.token_hex(32),
        "encryption_metadata": {"format": 1, "algorithm": "AES-256-GCM", "associated_data": "k"},
        "wrapping_key_ref": "kms://root",
    }


def live_key(connection: Connection, key_type: str = "dek") -> str:
    """Put in an active key with one live version, and return its name."""
    return _key(connection, [{"activated_at": _ago(3), **blob()}], key_type)


def destroyed_version(connection: Connection) -> str:
    """Put in an active key whose first version is destroyed, and whose second is live; return its name."""
    ended = {"activated_at": _ago(3), "deactivated_at": _ago(2), "destroyed_at": _ago(1)}
    return _key(connection, [ended, {"activated_at": _ago(2), **blob()}])


def _key(connection: Connection, versions: list[dict[str, Any]], key_type: str = "dek") -> str:
    key, name = uuid.uuid4(), unique("key")
    insert(
        connection, "key_masters", id=key, key_id=name, key_type=key_type, algorithm="AES-256-GCM", key_size_bits=256,
        status="active", created_at=_ago(4), activated_at=_ago(3),
    )  # fmt: skip
    for number, version in enumerate(versions, 1):
        insert(connection, "key_versions", key_id=key, version_number=number, created_at=_ago(4), **version)
    return name


def _ago(hours: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - hours * HOUR
