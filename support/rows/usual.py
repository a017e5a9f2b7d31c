"""Rows of a typical database, as the start of random operations: see `random_operations`."""

from support.random_operations.operations import FUTURE, PAST, Operation, inserting, numbered
from support.random_operations.versions import CHECKSUM

KEK, DEK, HELD = (numbered("key", number) for number in (0, 1, 2))
"""One wraps the other, and an HSM holds the third."""


def usual_rows() -> list[Operation]:
    """Return the inserts of keys with live versions, a policy, a rotation in each status but one, and an HSM."""
    return [*_keys(), *_versions(), *_rotations()]


def _keys() -> list[Operation]:
    common = {"algorithm": "AES-256", "key_size_bits": 256, "status": "active", "created_at": PAST[0]}
    common |= {"activated_at": PAST[0]}
    handle = {"hsm_provider": "pkcs11", "hsm_key_id": "handle"}
    return [
        inserting("key_masters", id=KEK, key_id="k0", key_type="kek", **common),
        inserting("key_masters", id=DEK, key_id="k1", key_type="dek", parent_key_id="k0", **common),
        inserting("key_masters", id=HELD, key_id="k2", key_type="hsm", **handle, **common),
    ]


def _versions() -> list[Operation]:
    common = {"version_number": 1, "created_at": PAST[0], "activated_at": PAST[1]}
    material = {
        "encrypted_key_data": b"\x01" + b"\xaa" * 60,
        "key_checksum": CHECKSUM,
        "encryption_metadata": {"format": 1, "algorithm": "AES-256-GCM", "associated_data": "k"},
    }
    wrapping, wrapped, held = (numbered(f"{key}", 1) for key in (KEK, DEK, HELD))
    return [
        inserting("key_versions", id=wrapping, key_id=KEK, wrapping_key_ref="kms://root", **common, **material),
        inserting("key_versions", id=wrapped, key_id=DEK, wrapped_by_version_id=wrapping, **common, **material),
        inserting("key_versions", id=held, key_id=HELD, hsm_key_id="handle-1", **common),
    ]


def _rotations() -> list[Operation]:
    policy = numbered("policy", 0)
    running = {"status": "RUNNING", "started_at": PAST[1], "claimed_by": "worker-a", "lease_expires_at": FUTURE[0]}
    failed = {"status": "FAILED", "started_at": PAST[1], "failed_at": PAST[2]}
    due = {"key_type": "dek", "rotation_interval_days": 30}
    hsm = {"provider": "pkcs11", "configuration_name": "h0"}
    return [
        inserting("rotation_policies", id=policy, policy_name="p0", **due),
        inserting("key_rotations", id=numbered("rotation", 0), key_id=KEK, trigger="manual"),
        inserting(
            "key_rotations", id=numbered("rotation", 1), key_id=DEK, trigger="manual", policy_id=policy, **running
        ),
        inserting("key_rotations", id=numbered("rotation", 2), key_id=DEK, trigger="manual", **failed),
        inserting("hsm_configurations", id=numbered("hsm", 0), **hsm),
    ]
