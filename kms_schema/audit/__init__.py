"""The audit trail as evidence: bytes of an entry, Merkle tree, signed seals, and proofs.

See the page "audit" of the documentation.

The names below are imported on first use. Connections are of psycopg or sqlite3 and idle; each call leaves them as they
were::

    with psycopg.connect(…) as connection:
        trail = open_trail(connection)
        for made in seal(trail, read_signing_key(Path("seal.key"))):
            print(made.note())
        with trail.reading() as snapshot:
            result = verify(snapshot, checkpoints=[read_checkpoint(Path("checkpoint.txt")).checkpoint])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kms_schema.audit.anomalies.anomaly import Anomaly, Evidence
    from kms_schema.audit.anomalies.finding import count_anomalies, find_anomalies
    from kms_schema.audit.anomalies.rules import AnomalyRule, RuleName
    from kms_schema.audit.documents import Document, record_document
    from kms_schema.audit.formats.checkpoints import Checkpoint, ExternalCheckpoint, read_checkpoint
    from kms_schema.audit.formats.keys import (
        SealKeyError,
        SigningKey,
        VerifierKey,
        read_signing_key,
        read_verifier_keys,
        write_signing_key,
    )
    from kms_schema.audit.formats.notes import Note
    from kms_schema.audit.proofs.prover import CannotProveError, prove_consistency, prove_inclusion
    from kms_schema.audit.sealing.sealer import seal
    from kms_schema.audit.sealing.status import SealingStatus, sealing_status
    from kms_schema.audit.storage.append import append
    from kms_schema.audit.storage.errors import TrailError
    from kms_schema.audit.storage.open import open_trail
    from kms_schema.audit.storage.stored_seals import StoredSeal
    from kms_schema.audit.storage.transactions import OpenTrail, Snapshot
    from kms_schema.audit.verification.result import Fault, VerificationResult
    from kms_schema.audit.verification.verifier import verify
    from kms_schema.audit.verification.worker_pool import open_snapshot

_NAMES = {
    "kms_schema.audit.anomalies.anomaly": ("Anomaly", "Evidence"),
    "kms_schema.audit.anomalies.finding": ("count_anomalies", "find_anomalies"),
    "kms_schema.audit.anomalies.rules": ("AnomalyRule", "RuleName"),
    "kms_schema.audit.documents": ("Document", "record_document"),
    "kms_schema.audit.formats.checkpoints": ("Checkpoint", "ExternalCheckpoint", "read_checkpoint"),
    "kms_schema.audit.formats.keys": (
        "SealKeyError", "SigningKey", "VerifierKey", "read_signing_key", "read_verifier_keys", "write_signing_key",
    ),
    "kms_schema.audit.formats.notes": ("Note",),
    "kms_schema.audit.proofs.prover": ("CannotProveError", "prove_consistency", "prove_inclusion"),
    "kms_schema.audit.sealing.sealer": ("seal",),
    "kms_schema.audit.sealing.status": ("SealingStatus", "sealing_status"),
    "kms_schema.audit.storage.append": ("append",),
    "kms_schema.audit.storage.open": ("open_trail",),
    "kms_schema.audit.storage.errors": ("TrailError",),
    "kms_schema.audit.storage.stored_seals": ("StoredSeal",),
    "kms_schema.audit.storage.transactions": ("OpenTrail", "Snapshot"),
    "kms_schema.audit.verification.worker_pool": ("open_snapshot",),
    "kms_schema.audit.verification.result": ("Fault", "VerificationResult"),
    "kms_schema.audit.verification.verifier": ("verify",),
}  # fmt: skip
_WHERE = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Anomaly", "AnomalyRule", "CannotProveError", "Checkpoint", "Document", "Evidence", "ExternalCheckpoint", "Fault",
    "Note", "OpenTrail", "RuleName", "SealKeyError", "SealingStatus", "SigningKey", "Snapshot", "StoredSeal",
    "TrailError", "VerificationResult", "VerifierKey", "append", "count_anomalies", "find_anomalies", "open_snapshot",
    "open_trail", "prove_consistency", "prove_inclusion", "read_checkpoint", "read_signing_key", "read_verifier_keys",
    "record_document", "seal", "sealing_status", "verify", "write_signing_key",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name: a program that only verifies needs no signing keys, and checks of proofs need no driver."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
