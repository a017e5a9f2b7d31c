"""The golden entries of the package, put into real tables past what the server sets by itself."""

import json
import uuid
from typing import Any

from kms_schema.audit.formats.encoding import Bytes, Value
from kms_schema.audit.storage.postgresql import encoded_entries as postgresql_entries
from kms_schema.audit.storage.postgresql.encoded_entries import entries
from kms_schema.audit.storage.sqlite import encoded_entries as sqlite_entries
from support.engines.database import Connection
from support.rows.smallest import insert, key_master
from support.shared import SharedDatabase
from support.statements import execute
from tools.vectors.entries import FILE, KEY, Vector

VECTORS: list[Vector] = json.loads(FILE.read_text(encoding="ascii"))["entries"]

BEYOND_TEXT = {2**63 - 1: "infinity", -211810204800000000: "4713-01-01 00:00:00Z BC"}
"""Times that have no text of ours, as PostgreSQL writes them."""

NEWEST_FIRST = "SELECT {} FROM key_audit_logs ORDER BY sequence DESC LIMIT 1"


def on_engine(dialect: str) -> list[Vector]:
    return [vector for vector in VECTORS if dialect in vector["engines"]]


def hold_key(connection: Connection) -> None:
    """Make the key that entries of the vectors are about."""
    insert(connection, "key_masters", **key_master(id=uuid.UUID(KEY)))


def restoring(shared: SharedDatabase) -> None:
    """Let the test choose what the server sets: a restore on PostgreSQL; on SQLite, which has none, no guard.

    The vectors have times that no entry may have.
    """
    if shared.dialect == "postgresql":
        execute(shared.connection, "SET LOCAL kms.restore = on")
        execute(shared.connection, "DROP TRIGGER guard_key_audit_log_insert_values ON key_audit_logs")
        return
    triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard_key_audit_log_insert%'"
    for (name,) in execute(shared.connection, triggers).fetchall():
        execute(shared.connection, f"DROP TRIGGER {name}")


def restore(connection: Connection, columns: dict[str, Value], dialect: str) -> None:
    """Insert an entry with every column given."""
    row: dict[str, Any] = dict(columns)
    if dialect == "sqlite":
        row |= {name: uuid.UUID(row[name]) for name in ("id", "key_id") if row[name] is not None}
    else:
        row["timestamp"] = BEYOND_TEXT.get(row["timestamp"], row["timestamp"])
    insert(connection, "key_audit_logs", **row)


def copied(connection: Connection, query: str) -> list[Bytes]:
    """Return what COPY BINARY gives of a query on PostgreSQL."""
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT binary)") as chunks:
        return list(entries(chunks))


def newest(shared: SharedDatabase) -> bytes:
    """Return the entry with the greatest sequence, as the engine's way of reading gives it."""
    return read(shared, NEWEST_FIRST)


def numbered(shared: SharedDatabase, sequence: int) -> bytes:
    """Return the entry with this sequence: others may have greater ones, which a rollback does not give back."""
    return read(shared, f"SELECT {{}} FROM key_audit_logs WHERE sequence = {sequence}")  # noqa: S608


def read(shared: SharedDatabase, query: str) -> bytes:
    if shared.dialect == "postgresql":
        (entry,) = copied(shared.connection, query.format(postgresql_entries.SELECTED))
        return bytes(entry)
    return sqlite_entries.entry_from_row(execute(shared.connection, query.format(sqlite_entries.SELECTED)).fetchone())
