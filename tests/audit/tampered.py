"""A sealed trail whose owner has disabled the triggers, and changes to it."""

# ruff: noqa: S608  (the names in these statements are the module's own)

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.encoding import COLUMNS
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.verification.result import Fault
from support.engines.database import Connection
from support.statements import execute
from tests.audit.trails import faults

LOGS, SEALS, LEAVES, SUBTREES = "key_audit_logs", "key_audit_seals", "key_audit_leaves", "key_audit_subtrees"
KEYS = {LOGS: "sequence", SEALS: "seal_number", LEAVES: "first_leaf", SUBTREES: "position"}
ENTRIES, BATCH = 300, 100


@dataclass(frozen=True)
class Scene:
    """A sealed trail with its triggers disabled, in a transaction that is rolled back after each change."""

    connection: Connection
    seals: list[StoredSeal]

    def execute(self, statement: str, parameters: dict[str, Any] | None = None) -> Any:
        return execute(self.connection, statement, parameters)

    @contextmanager
    def changed(self) -> Iterator[None]:
        """Do something that is undone at the end: verification wants a transaction of its own."""
        tables = (LOGS, SEALS, LEAVES, SUBTREES)
        for table in tables:
            self.execute(f"CREATE TABLE IF NOT EXISTS before_{table} AS SELECT * FROM {table}")
        try:
            yield
        finally:
            for table in tables:
                self.execute(f"DELETE FROM {table}")
                self.execute(f"INSERT INTO {table} SELECT * FROM before_{table}")

    def faults(self, *checkpoints: Checkpoint, **options: Any) -> list[Fault]:
        return faults(self.connection, checkpoints=checkpoints, **options)

    def found(self, *checkpoints: Checkpoint, **options: Any) -> str:
        return "\n".join(fault.message for fault in self.faults(*checkpoints, **options))


@contextmanager
def rules_off(connection: Connection) -> Iterator[None]:
    """Take NOT NULL, unique and foreign keys from the tables, as a superuser can; on SQLite by writing the schema."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA writable_schema = on")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name LIKE 'key_audit_%'")
        ((version,),) = connection.execute("PRAGMA schema_version")
        connection.execute(f"PRAGMA schema_version = {version + 1}")  # read it again: old versions know no "reset"
        connection.execute("PRAGMA writable_schema = off")
    else:
        nullable = "attname NOT IN ('id', 'seal_number', 'first_leaf', 'level', 'position')"
        for table, column in connection.execute(
            "SELECT attrelid::regclass::text, attname FROM pg_attribute WHERE attnotnull AND attnum > 0"
            f" AND attrelid::regclass::text = ANY(%s) AND {nullable}".encode(),
            [list(KEYS)],
        ).fetchall():
            connection.execute(f'ALTER TABLE {table} ALTER COLUMN "{column}" DROP NOT NULL'.encode())
    yield


def flip(scene: Scene, table: str, column: str, key: int, bit: int) -> None:
    """Flip one bit of what a column stores; a NULL becomes a value."""
    where = f"WHERE {KEYS[table]} = {key}"
    if isinstance(scene.connection, sqlite3.Connection):
        text = f"typeof(\"{column}\") = 'text'"
        value, is_text = scene.execute(
            f'SELECT CASE WHEN {text} THEN CAST("{column}" AS BLOB) ELSE "{column}" END, {text} FROM {table} {where}'
        ).fetchone()
        written = "CAST(:new AS TEXT)" if is_text or value is None else ":new"
    else:
        (kind,) = scene.execute(f'SELECT pg_typeof("{column}")::text FROM {table} {where}').fetchone()
        sent = {"uuid": "uuid_send({})", "timestamp with time zone": "timestamptz_send({})", "jsonb": "jsonb_send({})"}
        read = sent.get(kind, "{}").format(f'"{column}"')
        (value,) = scene.execute(f"SELECT {read} FROM {table} {where}").fetchone()
        written = f"CAST(:new AS {kind})"
        if kind == "timestamp with time zone":
            written = f"\"{column}\" + {1 << bit % 50} * interval '1 microsecond'"
    new = flipped(value, bit)
    if isinstance(scene.connection, psycopg.Connection) and isinstance(new, bytes) and kind != "bytea":
        new = new.hex() if kind == "uuid" else new[1:].decode(errors="replace")
    scene.execute(f'UPDATE {table} SET "{column}" = {written} {where}', {"new": new} if ":new" in written else {})


def flipped(value: Any, bit: int) -> Any:
    match value:
        case None:
            return b"0" * 32
        case int():
            return value ^ (1 << bit % 31)
        case str():
            return flipped(value.encode(), bit).decode(errors="replace")
    data = bytearray(value)
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(data)


def stored(scene: Scene, table: str) -> list[str]:
    return sorted(str(row) for row in as_text(scene, table))


def as_text(scene: Scene, table: str) -> list[Any]:
    if isinstance(scene.connection, psycopg.Connection):
        return list(scene.execute(f"SELECT entry::text FROM {table} AS entry").fetchall())
    scene.connection.text_factory = bytes
    try:
        return list(scene.execute(f"SELECT * FROM {table}").fetchall())
    finally:
        scene.connection.text_factory = str


COLUMNS_OF_LOGS = ", ".join(f'"{column}"' for column in COLUMNS)
NEW_ID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}


def copy_of_an_entry(scene: Scene, sequence: int) -> str:
    dialect = "sqlite" if isinstance(scene.connection, sqlite3.Connection) else "postgresql"
    chosen = ", ".join(f'"{column}"' for column in list(COLUMNS)[2:])
    return (
        f"INSERT INTO {LOGS} ({COLUMNS_OF_LOGS}) SELECT {NEW_ID[dialect]}, {sequence}, {chosen} FROM {LOGS}"
        " WHERE sequence = 9"
    )
