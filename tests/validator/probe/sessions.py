"""A probe's transaction on a test's database, to take protections away in."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from kms_schema import snapshots, validate
from kms_schema.validator import Report
from kms_schema.validator.catalog.attributes import Objects
from kms_schema.validator.diff.compare import fill_in
from kms_schema.validator.probe.attempt import Attempt, Engine, Promise
from kms_schema.validator.probe.every_attempt import attempts
from kms_schema.validator.probe.postgresql import PostgresqlSession
from kms_schema.validator.probe.postgresql import probing as on_postgresql
from kms_schema.validator.probe.protections import resolved
from kms_schema.validator.probe.sqlite import SqliteSession
from kms_schema.validator.probe.sqlite import probing as on_sqlite
from support.engines.database import Connection, Database

Tried = list[Attempt | Promise]
NEWEST = {"postgresql": 18, "sqlite": 3}


@contextmanager
def session_on(connection: Connection) -> Iterator[PostgresqlSession | SqliteSession]:
    """Open the transaction or transactions of a probe."""
    if isinstance(connection, sqlite3.Connection):
        with on_sqlite(connection) as on_file:
            yield on_file
        return
    with on_postgresql(connection, "public") as on_server:
        yield on_server


def expected_of(engine: Engine, revision: str, version: int | None = None) -> Objects:
    """Return what is expected after a revision."""
    objects = snapshots.load(engine, revision, f"{version or NEWEST[engine]}.0")
    return fill_in(objects, "public" if engine == "postgresql" else "main", "postgres")


def by_protection(engine: Engine, version: int, expected: Objects) -> dict[str, Tried]:
    """Return the attempts at each protection."""
    found: dict[str, Tried] = {}
    for attempt, protection in resolved(attempts(engine, version, expected), engine, expected):
        found.setdefault(protection.object, []).append(attempt)
    return found


def protections_of(expected: Objects) -> list[str]:
    """Return the triggers, constraints and unique indexes."""
    return [
        key
        for key, facts in expected.items()
        if key.startswith(("trigger ", "constraint ")) or "CREATE UNIQUE INDEX" in str(facts.get("definition", ""))
    ]


@contextmanager
def copy_of(database: Database) -> Iterator[sqlite3.Connection]:
    """Give a copy of a SQLite database in memory."""
    with closing(database.connect()) as connection, closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        assert isinstance(connection, sqlite3.Connection)
        connection.backup(copy)
        yield copy


OnlyAt = Callable[..., None]
"""Chooses the attempts of a probe by words in the names of their protections."""
AT_LEAST = {"postgresql": 900, "sqlite": 1000}
"""How many attempts are made at head; in a replica's session, and with either setting of SQLite's, once more."""


def probe(connection: Connection, **options: Any) -> Report:
    return validate(connection, probe=True, **options)
