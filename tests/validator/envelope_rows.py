"""Envelopes for rows that the validator reads."""

import secrets
from typing import Any

from kms_schema.validator import validate
from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import Row
from support.violations.violation import spelled

TEXT = b'{"user": "kms", "pin": "0000-1234", "host": "luna.example"}'


def found(connection: Connection) -> dict[str, str]:
    """Return what is found of rows, by code; `KMS501` by the object that should have kept them out."""
    report = validate(connection, level="data")
    assert [finding.actual for finding in report.findings if finding.code == "KMS901"] == []
    return {
        finding.object if finding.code == "KMS501" else finding.code: finding.actual
        for finding in report.findings
        if finding.code.startswith("KMS5")
    }


def described(form: Any, algorithm: str) -> dict[str, Any]:
    return {"encryption_metadata": {"format": form, "algorithm": algorithm, "associated_data": "x"}}


def name(key: Row, row: Row, database: Database) -> str:
    return f"{key['key_id']} v{row.get('version_number', 1)} ({spelled(row['id'], database.dialect)})"


def gcm(nonce: bytes = b"", ciphertext: bytes = b"", tag: bytes = b"") -> bytes:
    parts = (nonce, 12), (ciphertext, 32), (tag, 16)
    return b"\x01" + b"".join(part or secrets.token_bytes(size) for part, size in parts)
