"""A violation of a rule: valid rows, the one statement that makes them invalid, and the one that fixes them."""

import datetime as dt
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory

from kms_schema.sql.violations import query, rule_of
from kms_schema.validator.checks.revision_status import LOOKS_AGAIN
from support.concurrency.statements import Statement
from support.engines.database import ALEMBIC_INI, Connection, Dialect
from support.rows.smallest import Row
from support.statements import dialect_of, execute

REVISION = LOOKS_AGAIN[-1]
BOTH: tuple[Dialect, ...] = ("postgresql", "sqlite")
SQLITE: tuple[Dialect, ...] = ("sqlite",)
POSTGRESQL: tuple[Dialect, ...] = ("postgresql",)
FIRST, SECOND, THIRD = (dt.datetime(2024, month, 1, tzinfo=dt.UTC) for month in (1, 2, 3))


@dataclass(frozen=True)
class Broken:
    """The invalid rows of one violation, after `breaking` has run."""

    breaking: Statement
    fixing: Statement
    rows: list[tuple[Row, str]]
    """Every row that must be reported, with its name; no other may be."""
    says: str
    """The text that must be reported of each."""


Make = Callable[[Connection], Broken]
"""Inserts rows that are valid at any revision."""


@dataclass(frozen=True)
class Violation:
    """A rule of 005, and a statement that violates it at 004."""

    rule: str
    name: str
    make: Make
    dialects: tuple[Dialect, ...] = BOTH
    refused_by: str = ""
    """The rule that refuses the statement at 005, if it is another one."""
    healed: bool = False
    """At 005 the statement succeeds, and a trigger keeps the rows valid."""

    def __str__(self) -> str:
        """Return the name, for pytest's ids."""
        return f"{self.rule}: {self.name}".replace(" ", "-")


def revision() -> ModuleType:
    """Return the module of the revision whose rules these are."""
    module = ScriptDirectory.from_config(Config(str(ALEMBIC_INI))).get_revision(REVISION).module
    assert isinstance(module, ModuleType)
    return module


def spelled(identifier: uuid.UUID, dialect: Dialect) -> str:
    """Return an id as the engine shows it."""
    return identifier.hex if dialect == "sqlite" else str(identifier)


def violating(connection: Connection, *, leaving_out: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    """Return rule, table, id, name and problem of every row that violates a rule, read over a plain connection."""
    dialect = dialect_of(connection)
    return [
        (rule_of(filename), *row)
        for filename in revision().VIOLATIONS[dialect]
        if rule_of(filename) not in leaving_out
        for row in execute(connection, query(dialect, filename))
    ]


@contextmanager
def foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Disable foreign keys, so that only triggers check references; a plain client of SQLite has none anyway."""
    if isinstance(connection, sqlite3.Connection):
        yield
        return
    execute(connection, "SET session_replication_role = replica")
    yield
    execute(connection, "SET session_replication_role = origin")
