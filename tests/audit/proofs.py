"""Proofs made of the golden entries, for tests and for the examples of docs/audit.md."""

import datetime as dt
from dataclasses import replace

import pytest

from kms_schema.audit.formats.encoding import leaf_hash
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.formats.merkle import CompactRange, consistency_proof, inclusion_proof, root
from kms_schema.audit.formats.notes import Note, sign
from kms_schema.audit.formats.proof_documents import consistency_document, inclusion_document
from kms_schema.audit.formats.seals import NO_SEAL, Bookkeeping, Seal
from kms_schema.audit.standalone import check_audit
from tests.audit.vectors import VECTORS

KEY = SigningKey("kms.example/audit", bytes(range(32)))
ENTRIES = [bytes.fromhex(vector["entry"]) for vector in VECTORS]


def nodes(entries: list[bytes]) -> dict[tuple[int, int], bytes]:
    """Return the full nodes of the tree of these entries by level and index."""
    found: dict[tuple[int, int], bytes] = {}
    tree = CompactRange()
    for index, entry in enumerate(entries):
        found[0, index] = leaf_hash(entry)
        tree.extend(found[0, index], lambda level, index, each: found.update({(level, index): each}))
    return found


TREE = nodes(ENTRIES)


def node(level: int, index: int) -> bytes:
    return TREE[level, index]


def sealed(size: int, key: SigningKey = KEY, origin: str = "kms.example/audit") -> Note:
    """Return the signed seal of the first entries."""
    time = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
    state = Bookkeeping([], 1000 + size if size else None).state()
    seal = Seal(origin, size, root(0, size, node), time, 1, NO_SEAL, state)
    if size > 7:
        seal = replace(seal, number=2, previous=replace(seal, size=7).hash())
    return sign(seal.text(), key)


def inclusion(index: int, size: int) -> str:
    return inclusion_document(ENTRIES[index], index, inclusion_proof(index, size, node), sealed(size))


def consistency(old: int, new: int) -> str:
    return consistency_document(sealed(old), sealed(new), consistency_proof(old, new, node))


def program(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    """Run the standalone program in this process; return its exit status and what it writes."""
    try:
        status: object = check_audit.main(list(words))
    except SystemExit as error:
        status = error.code
    return status, "".join(capsys.readouterr())
