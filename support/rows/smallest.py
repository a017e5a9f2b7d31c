"""The smallest row of each table that the schema accepts, as a dictionary that plain SQL inserts.

    master = insert(connection, "key_masters", **key_master())
    insert(connection, "key_versions", **key_version(master, version_number=2))

Any column can be given or overridden by keyword; a value of `None` is written as NULL. Rows get an `id` here,
so that others can refer to them before they are read back; audit entries do not: there the server sets it.
"""

import datetime as dt
import secrets
import uuid
from itertools import count
from typing import Any

from support.engines.database import Connection
from support.statements import execute

Row = dict[str, Any]

NONCE_BYTES = 12
TAG_BYTES = 16

_numbers = count(1)
_run = secrets.token_hex(4)


def unique(prefix: str) -> str:
    """Return a name that no other row of this test session has."""
    return f"{prefix}-{_run}-{next(_numbers)}"


def now() -> dt.datetime:
    """Return the present time, as an aware `datetime`."""
    return dt.datetime.now(dt.UTC)


def in_words(row: Row) -> str:
    """Return a short name of a test case with these values, for `pytest.mark.parametrize(…, ids=in_words)`.

    Values that differ between processes (ids, times, bytes) are named by their kind: pytest-xdist requires equal names
    of cases in all its processes.
    """
    return ",".join(f"{column}={_in_words(value)}" for column, value in row.items())[:100]


def _in_words(value: Any) -> str:
    match value:
        case uuid.UUID() | dt.datetime():
            return type(value).__name__
        case bytes():
            return f"{len(value)} bytes"
        case dict():
            return f"{{{','.join(map(str, value))}}}"
    return str(value)


def insert(connection: Connection, table: str, **row: Any) -> Row:
    """Insert `row` by plain SQL and return it."""
    columns = ", ".join(f'"{column}"' for column in row)
    places = ", ".join(f":{column}" for column in row)
    execute(connection, f"INSERT INTO {table} ({columns}) VALUES ({places})", row)  # noqa: S608
    return row


def envelope(bits: int) -> bytes:
    """Return what AES-256-GCM (format 01) makes of a key of `bits`: format byte, nonce, ciphertext, tag."""
    return b"\x01" + secrets.token_bytes(NONCE_BYTES + (bits + 7) // 8 + TAG_BYTES)


def key_master(**over: Any) -> Row:
    """Return a pending data encryption key of 256 bits."""
    return {
        "id": uuid.uuid4(),
        "key_id": unique("key"),
        "key_type": "dek",
        "algorithm": "AES-256",
        "key_size_bits": 256,
        **over,
    }


def hsm_key_master(**over: Any) -> Row:
    """Return a pending key that an HSM holds."""
    return key_master(
        **{"key_type": "hsm", "hsm_provider": "software_simulation", "hsm_key_id": unique("handle"), **over}
    )


def active_key_master(**over: Any) -> Row:
    """Return a key that is in use."""
    at = now()
    return key_master(**{"status": "active", "created_at": at, "activated_at": at, **over})


def key_version(master: Row, **over: Any) -> Row:
    """Return the first version of `master`, not activated yet: with a blob, or a handle if an HSM holds the key."""
    row: Row = {"id": uuid.uuid4(), "key_id": master["id"], "version_number": 1}
    if master.get("hsm_provider") is None:
        blob = over.get("encrypted_key_data") or envelope(master["key_size_bits"])
        padded = blob[:1] == b"\x02"
        row |= {
            "encrypted_key_data": blob,
            "key_checksum": secrets.token_hex(32),
            "encryption_metadata": {
                "format": 2 if padded else 1,
                "algorithm": "AES-256-KWP" if padded else "AES-256-GCM",
                "associated_data": master["key_id"],
            },
        }
        if over.get("wrapped_by_version_id") is None:
            row["wrapping_key_ref"] = "kms://root"
    elif over.get("destroyed_at") is None and over.get("encrypted_key_data") is None:
        row["hsm_key_id"] = unique("handle")
    return {**row, **over}


def live_key_version(master: Row, **over: Any) -> Row:
    """Return a version that `master` encrypts with."""
    at = now()
    return key_version(master, **{"created_at": at, "activated_at": at, **over})


def rotation_policy(**over: Any) -> Row:
    """Return a policy that rotates data encryption keys every 90 days."""
    return {
        "id": uuid.uuid4(),
        "policy_name": unique("policy"),
        "key_type": "dek",
        "rotation_interval_days": 90,
        **over,
    }


def key_rotation(master: Row, **over: Any) -> Row:
    """Return a manual rotation of `master` that has not begun."""
    return {"id": uuid.uuid4(), "key_id": master["id"], "trigger": "manual", **over}


def hsm_configuration(**over: Any) -> Row:
    """Return a simulated HSM."""
    return {
        "id": uuid.uuid4(),
        "provider": "software_simulation",
        "configuration_name": unique("hsm"),
        **over,
    }


def audit_entry(**over: Any) -> Row:
    """Return what a client says of an event; the server sets the rest."""
    return {
        "event_type": "TEST",
        "event_category": "LIFECYCLE",
        "event_description": "something happened",
        "security_level": "LOW",
        **over,
    }
