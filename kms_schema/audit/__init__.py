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
    from kms_schema.audit.appending import append
    from kms_schema.audit.checkpoints import Checkpoint
    from kms_schema.audit.kept import KeptSeal
    from kms_schema.audit.keys import (
        SealKeyError,
        SigningKey,
        VerifierKey,
        read_signing_key,
        read_verifier_keys,
        write_signing_key,
    )
    from kms_schema.audit.lag import Standing, standing
    from kms_schema.audit.notes import Note
    from kms_schema.audit.opening import open_trail
    from kms_schema.audit.outside import OutsideCheckpoint, read_checkpoint
    from kms_schema.audit.proving import CannotProve, prove_consistency, prove_inclusion
    from kms_schema.audit.sealing import seal
    from kms_schema.audit.trail import OpenTrail, Trail, TrailError
    from kms_schema.audit.verification import Fault, Verdict, verify

_NAMES = {
    "appending": ("append",),
    "checkpoints": ("Checkpoint",),
    "kept": ("KeptSeal",),
    "keys": (
        "SealKeyError", "SigningKey", "VerifierKey", "read_signing_key", "read_verifier_keys", "write_signing_key",
    ),
    "notes": ("Note",),
    "opening": ("open_trail",),
    "outside": ("OutsideCheckpoint", "read_checkpoint"),
    "proving": ("CannotProve", "prove_consistency", "prove_inclusion"),
    "sealing": ("seal",),
    "lag": ("Standing", "standing"),
    "trail": ("OpenTrail", "Trail", "TrailError"),
    "verification": ("Fault", "Verdict", "verify"),
}  # fmt: skip
_WHERE = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names}

__all__ = [
    "CannotProve", "Checkpoint", "Fault", "KeptSeal", "Note", "OpenTrail", "OutsideCheckpoint", "SealKeyError",
    "SigningKey", "Standing", "Trail", "TrailError", "Verdict", "VerifierKey", "append", "open_trail",
    "prove_consistency", "prove_inclusion", "read_checkpoint", "read_signing_key", "read_verifier_keys", "seal",
    "standing", "verify", "write_signing_key",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what is asked for: a program that only verifies needs no keys, and checks need no driver."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
