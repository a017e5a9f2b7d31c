"""Archives of golden entries, written out from docs/retention.md and RFC 6962 without the package's writer.

`python -m tests.audit.archives` writes the one that every later version has to take.
"""

import datetime as dt
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kms_schema.audit.formats.encoding import columns, leaf_hash
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.formats.notes import Note, sign
from kms_schema.audit.formats.seals import NO_SEAL, Bookkeeping, Seal, Tombstone
from kms_schema.audit.formats.texts import to_base64
from tests.audit.proofs import ENTRIES as GOLDEN
from tests.audit.proofs import KEY
from tests.audit.trees import mth, proof

FOLDER = Path(__file__).parent / "golden"
FILE = FOLDER / "audit-000000000002-000000000005.jsonl.gz"
SIGNED = dt.datetime(2039, 1, 1, tzinfo=dt.UTC)


def _is_kept_for_a_time(entry: bytes) -> bool:
    values = columns(entry)
    days = values["retention_period_days"]
    time = values["timestamp"]
    return isinstance(time, str) and time < "9000" and isinstance(days, int) and 1 <= days <= 36500


ENTRIES = [entry for entry in GOLDEN if _is_kept_for_a_time(entry)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def note(
    size: int,
    *,
    key: SigningKey = KEY,
    time: dt.datetime = SIGNED,
    tombstone: Tombstone | None = None,
    successor: SigningKey | None = None,
    origin: str = "kms.example/audit",
    leaves: Sequence[bytes] = LEAVES,
) -> Note:
    next_key = None if successor is None else successor.verifier
    state = Bookkeeping([], 1).state()
    seal = Seal(origin, size, mth(list(leaves[:size])), time, 1, NO_SEAL, state, next_key, tombstone)
    return sign(seal.text(), key)


def head(first: int, end: int, size: int, leaves: Sequence[bytes] = LEAVES) -> dict[str, Any]:
    before, done = [], 0
    for level in reversed(range(first.bit_length())):
        if first >> level & 1:
            before.append(mth(leaves[done : done + (1 << level)]))
            done += 1 << level
    return {
        "format": "kms-schema/audit-archive/v1",
        "first_leaf": first,
        "end_leaf": end,
        "before": list(map(to_base64, before)),
        "consistency": list(map(to_base64, proof(end, leaves[:size]))),
        "checkpoint": str(note(size, leaves=leaves)),
    }


def lines(first: int, end: int, size: int) -> list[dict[str, Any]]:
    return [head(first, end, size), *(dict(columns(entry)) for entry in ENTRIES[first:end])]


def written(documents: Sequence[Any]) -> bytes:
    """Return the lines before they are compressed."""
    return b"".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for each in documents)


def compressed(documents: Sequence[Any]) -> bytes:
    return gzip.compress(written(documents), mtime=0)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    FILE.write_bytes(compressed(lines(2, 6, 8)))
