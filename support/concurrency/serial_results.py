"""Results of statements that run one after the other, with which concurrent results are compared."""

import datetime as dt
import re
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import psycopg

from support.concurrency.statements import Statement
from support.engines.database import Connection
from support.rows.table_dump import TableDump, dump_tables
from support.statements import execute

A_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)")
SERVER_MADE = {"key_audit_logs": {"id", "sequence"}, "key_versions": {"ciphertext_tag"}}


@dataclass(frozen=True)
class SerialRun:
    """The result of statements in one order."""

    refused: frozenset[int]
    """The positions of the refused statements."""
    dump: TableDump


def comparable(dump: TableDump) -> TableDump:
    """Return the contents without what depends on clock, sequence or chance: of times, only whether they are set."""
    return {
        table: sorted(
            (
                {column: _timeless(value) for column, value in row.items() if column not in SERVER_MADE.get(table, ())}
                for row in rows
            ),
            key=repr,
        )
        for table, rows in dump.items()
    }


def _timeless(value: Any) -> Any:
    """Return a value without its times, those in the documents of recorded entries included."""
    match value:
        case dt.datetime():
            return "a time"
        case str():
            return A_TIME.sub("a time", value)
        case dict():
            return {name: "a tag" if name == "ciphertext_tag" else _timeless(member) for name, member in value.items()}
    return value


def run_in_order(connection: Connection, statements: Sequence[Statement]) -> SerialRun:
    """Run the statements in a transaction that is rolled back."""
    refused = set()
    connection.execute("BEGIN")
    try:
        for position, statement in enumerate(statements):
            try:
                with _savepoint(connection):
                    execute(connection, statement.sql, statement.parameters)
            except (psycopg.IntegrityError, sqlite3.IntegrityError):
                refused.add(position)
        return SerialRun(frozenset(refused), comparable(dump_tables(connection)))
    finally:
        connection.execute("ROLLBACK")


def _savepoint(connection: Connection) -> AbstractContextManager[Any]:
    """A savepoint on PostgreSQL, where a refused statement would abort the transaction; SQLite needs none."""
    return connection.transaction() if isinstance(connection, psycopg.Connection) else nullcontext()
