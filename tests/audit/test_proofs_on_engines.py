"""Proofs from a database: its entries are proved, and an entry that its owner changed is not."""

import datetime as dt

import pytest

from kms_schema.audit.formats.encoding import leaf_hash, sequence_of
from kms_schema.audit.formats.merkle import CompactRange, inclusion_proof
from kms_schema.audit.formats.notes import Note, sign
from kms_schema.audit.formats.proof_documents import inclusion_document
from kms_schema.audit.formats.seals import NO_SEAL, Bookkeeping, Seal
from kms_schema.audit.standalone.check_audit import Refused, check_proof, read_key
from kms_schema.audit.storage.postgresql import encoded_entries as postgresql_entries
from kms_schema.audit.storage.sqlite import encoded_entries as sqlite_entries
from support.rows.smallest import audit_entry, insert
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.proofs import KEY, nodes
from tests.audit.vectors import copied

IN_ORDER = "SELECT {} FROM key_audit_logs ORDER BY sequence"
KEYS = [read_key(str(KEY.verifier))]


def trail(shared: SharedDatabase) -> list[bytes]:
    if shared.dialect == "postgresql":
        return [bytes(entry) for entry in copied(shared.connection, IN_ORDER.format(postgresql_entries.SELECTED))]
    rows = execute(shared.connection, IN_ORDER.format(sqlite_entries.SELECTED)).fetchall()
    return [sqlite_entries.entry_from_row(row) for row in rows]


def sealed(entries: list[bytes]) -> Note:
    tree = CompactRange()
    for entry in entries:
        tree.extend(leaf_hash(entry))
    last = sequence_of(entries[-1])
    state = Bookkeeping([], last).state()
    seal = Seal("kms.example/audit", tree.size, tree.root(), dt.datetime.now(dt.UTC), 1, NO_SEAL, state)
    return sign(seal.text(), KEY)


def test_entries_are_proved_until_somebody_changes_one(shared: SharedDatabase) -> None:
    for risk in range(5):
        insert(shared.connection, "key_audit_logs", **audit_entry(risk_score=risk, additional_metadata={"n": risk}))
    entries = trail(shared)
    checkpoint = sealed(entries)

    def proof(index: int, entry: bytes) -> bytes:
        hashes = inclusion_proof(index, len(entries), lambda level, at: nodes(entries)[level, at])
        return inclusion_document(entry, index, hashes, checkpoint).encode()

    for index, entry in enumerate(entries):
        check_proof(proof(index, entry), KEYS, origin="kms.example/audit")
    with triggers_disabled(shared.connection):
        execute(shared.connection, "UPDATE key_audit_logs SET risk_score = 9 WHERE risk_score = 3")
    changed = trail(shared)
    (index,) = (number for number, pair in enumerate(zip(entries, changed, strict=True)) if pair[0] != pair[1])
    with pytest.raises(Refused, match="not the one at this place"):
        check_proof(proof(index, changed[index]), KEYS)
