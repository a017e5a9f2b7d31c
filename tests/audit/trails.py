"""Trails in real databases for the tests of sealing and verification: entries, seals, and what is found."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import pytest

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.keys import SigningKey, VerifierKey
from kms_schema.audit.sealing.sealer import seal
from kms_schema.audit.storage.postgresql.transactions import OpenPostgresqlTrail
from kms_schema.audit.storage.sqlite.transactions import OpenSqliteTrail
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import OpenTrail
from kms_schema.audit.verification.result import Fault, VerificationResult
from kms_schema.audit.verification.verifier import verify
from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import audit_entry, insert
from support.statements import execute

KEY = SigningKey("kms.example/audit", bytes(range(32)))
FORGER = SigningKey("kms.example/audit", bytes(reversed(range(32))))
TABLE = "key_audit_logs"


def open_trail(connection: Connection) -> OpenTrail:
    if isinstance(connection, sqlite3.Connection):
        return OpenSqliteTrail(connection)
    return OpenPostgresqlTrail(connection, "public")


def write(connection: Connection, count: int, **values: Any) -> None:
    for number in range(count):
        insert(connection, TABLE, **audit_entry(risk_score=number % 100, additional_metadata={"n": number}, **values))


def seal_all(connection: Connection, signer: SigningKey | None = KEY, **options: Any) -> list[StoredSeal]:
    return list(seal(open_trail(connection), signer, **options))


def verified(
    connection: Connection, *, checkpoints: tuple[Checkpoint, ...] = (), trusted: tuple[VerifierKey, ...] = ()
) -> VerificationResult:
    with open_trail(connection).reading() as trail:
        return verify(trail, checkpoints=checkpoints, trusted=trusted)


def faults(connection: Connection, **options: Any) -> list[Fault]:
    return verified(connection, **options).faults


def checkpoint_of(kept: StoredSeal) -> Checkpoint:
    """Return what is kept outside the database."""
    return Checkpoint.parse(kept.seal().text())


def sealed_sequences(connection: Connection) -> list[int]:
    """Return the sequences of all leaves, in the order of the tree."""
    rows = execute(
        connection, "SELECT first_sequence, length(hashes) / 32 FROM key_audit_leaves ORDER BY first_leaf"
    ).fetchall()
    return [first + offset for first, count in rows for offset in range(count)]


def written_sequences(connection: Connection) -> list[int]:
    return [row[0] for row in execute(connection, "SELECT sequence FROM key_audit_logs ORDER BY sequence").fetchall()]


def is_whole(database: Database, checkpoints: tuple[Checkpoint, ...] = ()) -> VerificationResult:
    """Assert that every entry is in exactly one seal and that the trail verifies; return the verdict."""
    with closing(database.connect()) as connection:
        assert sorted(sealed_sequences(connection)) == written_sequences(connection)
        verdict = verified(connection, checkpoints=checkpoints)
        assert verdict.faults == []
        assert verdict.unsealed == 0
        assert verdict.checkpoints == len(checkpoints)
        return verdict


def some(names: Iterable[str], *always: str) -> list[Any]:
    """Leave the names that are not among `always` to a full run."""
    return [name if name in always else pytest.param(name, marks=pytest.mark.full) for name in names]
