"""Proofs as JSON documents, which `check_audit.py`, or any other program, verifies without the database."""

import json
from collections.abc import Sequence

from kms_schema.audit.formats.encoding import Bytes, columns
from kms_schema.audit.formats.notes import Note
from kms_schema.audit.formats.texts import to_base64

INCLUSION = "kms-schema/audit-inclusion-proof/v1"
CONSISTENCY = "kms-schema/audit-consistency-proof/v1"


def inclusion_document(entry: Bytes, index: int, hashes: Sequence[bytes], checkpoint: Note) -> str:
    """Return the JSON document that proves that `entry` is leaf `index` of the tree of `checkpoint`.

    hashes: from `merkle.inclusion_proof`. Raises `EncodingError` if JSON cannot express the entry.
    """
    return _text(_inclusion(entry, index, hashes, checkpoint))


def inclusion_line(entry: Bytes, index: int, hashes: Sequence[bytes], checkpoint: Note) -> bytes:
    """Return the document of `inclusion_document` as one line of UTF-8, with its newline: for files of many proofs.

    Raises `EncodingError` if JSON cannot express the entry.
    """
    document = _inclusion(entry, index, hashes, checkpoint)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _inclusion(entry: Bytes, index: int, hashes: Sequence[bytes], checkpoint: Note) -> dict[str, object]:
    return {
        "format": INCLUSION,
        "entry": columns(entry),
        "leaf_index": index,
        "hashes": [to_base64(each) for each in hashes],
        "checkpoint": str(checkpoint),
    }


def consistency_document(old: Note, new: Note, hashes: Sequence[bytes]) -> str:
    """Return the JSON document that proves that the tree of `new` extends the tree of `old`.

    hashes: from `merkle.consistency_proof`.
    """
    return _text(
        {
            "format": CONSISTENCY,
            "old_checkpoint": str(old),
            "new_checkpoint": str(new),
            "hashes": [to_base64(each) for each in hashes],
        }
    )


def _text(document: dict[str, object]) -> str:
    return json.dumps(document, indent=2) + "\n"
