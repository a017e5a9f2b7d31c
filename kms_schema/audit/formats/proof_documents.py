"""Proofs as JSON documents, to be checked without the database by `check_proof.py` or anybody else's program."""

import json
from collections.abc import Sequence

from kms_schema.audit.formats.base64_text import to_base64
from kms_schema.audit.formats.encoding import Bytes, columns
from kms_schema.audit.formats.notes import Note

INCLUSION = "kms-schema/audit-inclusion-proof/v1"
CONSISTENCY = "kms-schema/audit-consistency-proof/v1"


def inclusion_document(entry: Bytes, index: int, hashes: Sequence[bytes], checkpoint: Note) -> str:
    """Return the JSON that proves `entry` to be leaf `index` of the tree of `checkpoint`.

    `hashes` are those of `merkle.inclusion_proof`. Raises `EncodingError` where JSON cannot say the entry.
    """
    return _text(
        {
            "format": INCLUSION,
            "entry": columns(entry),
            "leaf_index": index,
            "hashes": [to_base64(each) for each in hashes],
            "checkpoint": str(checkpoint),
        }
    )


def consistency_document(old: Note, new: Note, hashes: Sequence[bytes]) -> str:
    """Return the JSON that proves the tree of `new` to have grown out of that of `old`.

    `hashes` are those of `merkle.consistency_proof`.
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
