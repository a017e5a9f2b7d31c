"""The smallest valid row of each table, with unused names; it is rolled back with its attempt."""

import datetime as dt
import secrets
import uuid
from typing import Any

from kms_schema.validator.probe.attempt import Computed, Row

EARLIEST, FIRST, SECOND, THIRD, FOURTH = (dt.datetime(2024, month, 1, tzinfo=dt.UTC) for month in range(1, 6))
FAR = dt.datetime(2999, 1, 1, tzinfo=dt.UTC)

FORMAT_1 = b"\x01"
NONCE_BYTES, TAG_BYTES = 12, 16


def unused(what: str) -> str:
    """Return a name that no row has."""
    return f"kms-probe-{what}-{secrets.token_hex(12)}"


def envelope(bits: int = 256) -> bytes:
    """Return an envelope of AES-256-GCM for a key of `bits` bits: random bytes that no key opens."""
    return FORMAT_1 + secrets.token_bytes(NONCE_BYTES + (bits + 7) // 8 + TAG_BYTES)


def key(**over: Any) -> Row:
    """Return a data encryption key that is not in use yet."""
    return {
        "id": uuid.uuid4(),
        "key_id": unused("key"),
        "key_type": "dek",
        "algorithm": "AES-256",
        "key_size_bits": 256,
        "created_at": FIRST,
        **over,
    }


def key_in(status: str, **over: Any) -> Row:
    """Return a key in `status`, with the times that it must have had to get there."""
    times = {
        "pending": (),
        "active": ("activated_at",),
        "rotated": ("activated_at", "rotated_at"),
        "expired": ("activated_at", "expired_at"),
        "revoked": ("activated_at", "revoked_at"),
        "archived": ("activated_at", "revoked_at", "archived_at"),
    }[status]
    return key(**{"status": status, **dict.fromkeys(times, FIRST), **over})


def active_key(**over: Any) -> Row:
    """Return a key in use."""
    return key_in("active", **over)


def kek(**over: Any) -> Row:
    """Return a key that wraps others."""
    return active_key(key_type="kek", **over)


def hsm_key(**over: Any) -> Row:
    """Return a key that an HSM holds."""
    return active_key(**{"key_type": "hsm", "hsm_provider": "pkcs11", "hsm_key_id": unused("handle"), **over})


def _bare_version(of: Row, **over: Any) -> Row:
    return {"id": uuid.uuid4(), "key_id": of["id"], "version_number": 1, "created_at": FIRST, **over}


def held_version(of: Row, **over: Any) -> Row:
    """Return a version of a key that an HSM holds: with a handle and without material here."""
    return _bare_version(of, **{"hsm_key_id": unused("handle"), **over})


def version(of: Row, **over: Any) -> Row:
    """Return a version that is not live, wrapped by a root key unless `wrapped_by_version_id` is given."""
    row = _bare_version(of) | {
        "encrypted_key_data": envelope(of["key_size_bits"]),
        "key_checksum": secrets.token_hex(32),
        "encryption_metadata": {"format": 1, "algorithm": "AES-256-GCM", "associated_data": of["key_id"]},
    }
    if over.get("wrapped_by_version_id") is None:
        row["wrapping_key_ref"] = "kms-probe://root"
    return {**row, **over}


def live_version(of: Row, **over: Any) -> Row:
    """Return the version that a key encrypts with."""
    return version(of, **{"activated_at": FIRST, **over})


def destroyed_version(of: Row, **over: Any) -> Row:
    """Return a version whose material is gone."""
    return _bare_version(of, **{"destroyed_at": SECOND, **over})


def policy(**over: Any) -> Row:
    """Return a policy that rotates a kind of key every 90 days, and is not in force."""
    return {
        "id": uuid.uuid4(),
        "policy_name": unused("policy"),
        "key_type": "backup",
        "rotation_interval_days": 90,
        "is_active": False,
        "created_at": FIRST,
        **over,
    }


def rotation(of: Row, **over: Any) -> Row:
    """Return a rotation that has not begun."""
    return {"id": uuid.uuid4(), "key_id": of["id"], "trigger": "manual", "scheduled_at": FIRST, **over}


def rotation_in(status: str, of: Row, **over: Any) -> Row:
    """Return a rotation in `status`, with its times."""
    times = {
        "SCHEDULED": {},
        "RUNNING": {"started_at": FIRST, "claimed_by": "one worker", "lease_expires_at": FAR},
        "COMPLETED": {"started_at": FIRST, "claimed_by": "one worker", "completed_at": SECOND},
        "FAILED": {"started_at": FIRST, "claimed_by": "one worker", "failed_at": SECOND},
    }[status]
    return rotation(of, **{"status": status, **times, **over})


def hsm(**over: Any) -> Row:
    """Return a configuration of an HSM, not in use."""
    return {
        "id": uuid.uuid4(),
        "provider": "software_simulation",
        "configuration_name": unused("hsm"),
        "is_active": False,
        "created_at": FIRST,
        **over,
    }


def entry(**over: Any) -> Row:
    """Return the values of an audit entry that a client gives."""
    return {
        "event_type": "KMS_PROBE",
        "event_category": "LIFECYCLE",
        "event_description": "tried by a probe and rolled back",
        "security_level": "LOW",
        **over,
    }


HASH = b"\x5e" * 32
FAR_SEQUENCE = 2**62
"""No entry has it, so that neither a seal nor a page of the trail's own can."""
SUBTREE_LEVEL = 56
"""Of 2**56 leaves: no trail has one of these, so that the probe's is always the first."""
LAST_SEAL = "FROM {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1"
LAST_PAGE = "FROM {schema}.key_audit_leaves ORDER BY first_leaf DESC LIMIT 1"


def seal(leaves: int = 1, **over: Any) -> Row:
    """Return the seal that comes next, over `leaves` more than the last; each value is asked for in an index."""
    return {
        "seal_number": Computed(f"coalesce((SELECT seal_number {LAST_SEAL}), 0) + 1"),
        "origin": Computed(f"coalesce((SELECT origin {LAST_SEAL}), 'kms-probe')"),
        "sealed_at": FIRST,
        "tree_size": Computed(f"coalesce((SELECT tree_size {LAST_SEAL}), 0) + {leaves}"),
        "root_hash": HASH,
        "previous_seal_hash": HASH,
        "verifier_key": "unknown",
        "signature": b"\x51" * 68,
        "compact_range": HASH,
        "last_sequence": FAR_SEQUENCE,
        "open_gaps": [],
        **over,
    }


def seal_of_many(**over: Any) -> Row:
    """Return the next seal, over more leaves than any page has, and more than fill the probe's subtree."""
    return seal(2 ** (SUBTREE_LEVEL + 2), **over)


def page(**over: Any) -> Row:
    """Return the next page, with one leaf, of the sealed entries."""
    return {
        "first_leaf": Computed(f"coalesce((SELECT first_leaf + length(hashes) / 32 {LAST_PAGE}), 0)"),
        "first_sequence": FAR_SEQUENCE,
        "hashes": HASH,
        **over,
    }


def subtree(**over: Any) -> Row:
    """Return the first subtree of its level; `seal_of_many` fills it."""
    return {"level": SUBTREE_LEVEL, "position": 0, "hash": HASH, **over}
