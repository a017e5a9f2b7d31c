"""What two moves give when they are made one after the other: the measure of what they may give at once."""

import datetime as dt
import re
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.support.concurrency.statements import Move
from tests.support.engines.database import Connection
from tests.support.rows.table_dump import Contents, read_contents
from tests.support.statements import execute

A_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)")
SERVER_MADE = {"key_audit_logs": {"id", "sequence"}}


@dataclass(frozen=True)
class SerialRun:
    """The outcome of moves in one order."""

    refused: frozenset[int]
    """The positions of the moves that were refused."""
    contents: Contents


def comparable(contents: Contents) -> Contents:
    """Return the contents without what depends on the clock or a sequence: of times, only whether they are set."""
    return {
        table: sorted(
            (
                {column: _timeless(value) for column, value in row.items() if column not in SERVER_MADE.get(table, ())}
                for row in rows
            ),
            key=repr,
        )
        for table, rows in contents.items()
    }


def _timeless(value: Any) -> Any:
    """Return a value without its times, those in the documents of recorded entries included."""
    match value:
        case dt.datetime():
            return "a time"
        case str():
            return A_TIME.sub("a time", value)
        case dict():
            return {name: _timeless(member) for name, member in value.items()}
    return value


def run_in_order(connection: Connection, moves: Sequence[Move]) -> SerialRun:
    """Make the moves in a transaction that is rolled back."""
    refused = set()
    connection.execute("BEGIN")
    try:
        for position, move in enumerate(moves):
            try:
                with _savepoint(connection):
                    execute(connection, move.statement, move.parameters)
            except (psycopg.IntegrityError, sqlite3.IntegrityError):
                refused.add(position)
        return SerialRun(frozenset(refused), comparable(read_contents(connection)))
    finally:
        connection.execute("ROLLBACK")


def _savepoint(connection: Connection) -> AbstractContextManager[Any]:
    """A refused statement is undone by itself on SQLite, and takes its whole transaction along on PostgreSQL."""
    return connection.transaction() if isinstance(connection, psycopg.Connection) else nullcontext()
