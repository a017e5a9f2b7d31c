"""The audit trail as evidence: bytes of an entry, Merkle tree, signed seals, and proofs. See docs/audit.md.

What follows is imported when it is first used. Connections are of psycopg or sqlite3, idle, and left as they were::

    with psycopg.connect(…) as connection:
        trail = open_trail(connection)
        for made in seal(trail, read_signing_key(Path("seal.key"))):
            print(made.note())
        with trail.reading() as snapshot:
            verdict = verify(snapshot, checkpoints=[read_checkpoint(Path("kept.txt")).checkpoint])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kms_schema.audit.formats.checkpoints import Checkpoint
    from kms_schema.audit.formats.keys import (
        SealKeyError,
        SigningKey,
        VerifierKey,
        read_signing_key,
        read_verifier_keys,
        write_signing_key,
    )
    from kms_schema.audit.formats.notes import Note
    from kms_schema.audit.proofs.prover import CannotProve, prove_consistency, prove_inclusion
    from kms_schema.audit.sealing.sealer import seal
    from kms_schema.audit.sealing.sealing_status import Standing, standing
    from kms_schema.audit.storage.appended_entry import append
    from kms_schema.audit.storage.connected import open_trail
    from kms_schema.audit.storage.stored_seals import StoredSeal
    from kms_schema.audit.storage.trail import OpenTrail, Trail, TrailError
    from kms_schema.audit.verification.external_checkpoints import ExternalCheckpoint, read_checkpoint
    from kms_schema.audit.verification.verifier import Fault, Verdict, verify

_NAMES = {
    "kms_schema.audit.storage.appended_entry": ("append",),
    "kms_schema.audit.formats.checkpoints": ("Checkpoint",),
    "kms_schema.audit.storage.stored_seals": ("StoredSeal",),
    "kms_schema.audit.formats.keys": (
        "SealKeyError", "SigningKey", "VerifierKey", "read_signing_key", "read_verifier_keys", "write_signing_key",
    ),
    "kms_schema.audit.formats.notes": ("Note",),
    "kms_schema.audit.storage.connected": ("open_trail",),
    "kms_schema.audit.verification.external_checkpoints": ("ExternalCheckpoint", "read_checkpoint"),
    "kms_schema.audit.proofs.prover": ("CannotProve", "prove_consistency", "prove_inclusion"),
    "kms_schema.audit.sealing.sealer": ("seal",),
    "kms_schema.audit.sealing.sealing_status": ("Standing", "standing"),
    "kms_schema.audit.storage.trail": ("OpenTrail", "Trail", "TrailError"),
    "kms_schema.audit.verification.verifier": ("Fault", "Verdict", "verify"),
}  # fmt: skip
_WHERE = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "CannotProve",
    "Checkpoint",
    "ExternalCheckpoint",
    "Fault",
    "Note",
    "OpenTrail",
    "SealKeyError",
    "SigningKey",
    "Standing",
    "StoredSeal",
    "Trail",
    "TrailError",
    "Verdict",
    "VerifierKey",
    "append",
    "open_trail",
    "prove_consistency",
    "prove_inclusion",
    "read_checkpoint",
    "read_signing_key",
    "read_verifier_keys",
    "seal",
    "standing",
    "verify",
    "write_signing_key",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what is asked for: a program that only verifies needs no keys, and checks need no driver."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
