"""A database to which operations are made one by one, and which says how each went."""

import datetime as dt
import re
import sqlite3
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import psycopg

from support.engines.database import Connection
from support.random_operations.operations import Operation
from support.random_operations.refusals import NOT_NULL, NOT_OF_TYPE
from support.recorded_entries import same_on_every_engine
from support.rows.table_dump import TableDump, dump_tables
from support.statements import execute

SQLITE_MESSAGE = re.compile(r"(?P<kind>CHECK|UNIQUE|NOT NULL|FOREIGN KEY) constraint failed(: (?P<what>.*))?")
SET_DIFFERENTLY = {"key_audit_logs": {"id", "sequence", "recorded_by"}, "key_versions": {"ciphertext_tag"}}
"""Columns that each engine sets differently: tags are random, and on PostgreSQL a refused entry uses up a number of the
sequence."""


@dataclass(frozen=True)
class Outcome:
    """How an operation went."""

    rows: int
    """How many rows it inserted, changed or deleted; none, if it was refused."""
    refused_by: str | None = None
    """The rule, where the engine names it; empty, where it was refused without a name."""


class Store:
    """One connection, and what it did so far."""

    def __init__(self, name: str, connection: Connection) -> None:
        """Take a migrated database in autocommit mode."""
        self.name = name
        self.connection = connection
        self.dump: TableDump = dump_tables(connection)

    def make(self, operation: Operation, conflict: str) -> Outcome:
        """Make the operation in a transaction of its own; `conflict` matters on SQLite alone."""
        plain = isinstance(self.connection, sqlite3.Connection)
        statement, parameters = operation.statement(conflict if plain else "")
        transaction: Any = (
            nullcontext() if isinstance(self.connection, sqlite3.Connection) else self.connection.transaction()
        )
        try:
            with transaction:
                rows = execute(self.connection, statement, parameters).rowcount
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            return Outcome(0, rule_of_postgresql(error))
        except sqlite3.IntegrityError as error:
            return Outcome(0, rule_of_sqlite(error))
        finally:
            self.dump = dump_tables(self.connection)
        return Outcome(rows)


def rule_of_postgresql(error: psycopg.Error) -> str:
    """Return the name of the rule that an error is about, the same on both engines where it can be."""
    match error:
        case psycopg.errors.NotNullViolation():
            return NOT_NULL
        case psycopg.DataError():
            return NOT_OF_TYPE
    return error.diag.constraint_name or ""


def rule_of_sqlite(error: sqlite3.Error) -> str:
    """Return the name of the rule that an error is about, the same on both engines where it can be."""
    message = str(error)
    if failed := SQLITE_MESSAGE.match(message):
        rule = failed["what"] if failed["kind"] == "CHECK" else NOT_NULL if failed["kind"] == "NOT NULL" else ""
    else:
        rule = message.partition(":")[0]
    if rule.endswith("_not_null"):
        return NOT_NULL
    return NOT_OF_TYPE if rule.endswith("_type") else rule


def logical(dump: TableDump) -> Mapping[str, list[Any]]:
    """Return the contents without what each database makes in its own way: a time of its clock is just that."""
    said = {
        table: [
            {
                column: "the clock" if isinstance(value, dt.datetime) and 2020 < value.year < 2100 else value
                for column, value in row.items()
                if column not in SET_DIFFERENTLY.get(table, ())
            }
            for row in rows
        ]
        for table, rows in dump.items()
    }
    return {**said, "key_audit_logs": same_on_every_engine(said["key_audit_logs"])}
