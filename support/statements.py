"""One spelling of SQL statements for both drivers, and the assertion that a statement is refused."""

import datetime as dt
import json
import re
import sqlite3
import uuid
from collections.abc import Container, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from support.engines.database import Connection, Dialect

# A text, which holds no parameter, or a parameter, which is not the second colon of a `::cast`.
TEXT_OR_PARAMETER = re.compile(r"'(?:[^']|'')*'|(?<![:\w]):(?P<name>[a-zA-Z_]\w*)")


def dialect_of(connection: Connection) -> Dialect:
    """Return which engine a plain connection leads to."""
    return "sqlite" if isinstance(connection, sqlite3.Connection) else "postgresql"


def adapt(value: Any, dialect: Dialect) -> Any:
    """Return a Python value as a plain client of the engine writes it.

    On SQLite: an id as 32 hexadecimal digits, a time as UTC text with microseconds, JSON as text, a truth
    value as 0 or 1. On PostgreSQL only JSON documents (`dict` and `list`) need wrapping.
    """
    if isinstance(value, dict | list):
        return json.dumps(value) if dialect == "sqlite" else Jsonb(value)
    if dialect == "postgresql":
        return value
    match value:
        case uuid.UUID():
            return value.hex
        case dt.datetime():
            return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case bool():
            return int(value)
    return value


def with_places(statement: str, names: Container[str], dialect: Dialect) -> str:
    """Return `statement` with each `:name` of `names` written as the driver of `dialect` wants it."""
    if dialect == "sqlite":
        return statement

    def place(match: re.Match[str]) -> str:
        return f"%({match['name']})s" if match["name"] in names else match[0]

    return TEXT_OR_PARAMETER.sub(place, statement.replace("%", "%%"))


def execute(connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """Run a statement whose parameters are written `:name`, and return the driver's cursor.

    Values are adapted to the engine.
    """
    dialect = dialect_of(connection)
    adapted = {name: adapt(value, dialect) for name, value in (parameters or {}).items()}
    if isinstance(connection, sqlite3.Connection):
        return connection.execute(statement, adapted)
    if not adapted:
        return connection.execute(statement.encode())
    return connection.execute(with_places(statement, adapted, dialect).encode(), adapted)


def refused(
    connection: Connection,
    statement: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    rule: str,
    sqlstate: str | None = None,
    sqlite_says: str | None = None,
) -> Exception:
    """Assert that the database refuses a statement and names the rule; return the error.

    On SQLite it must be an `IntegrityError` with `rule` in its message; `sqlite_says` is the message of SQLite itself,
    which names columns instead (`NOT NULL constraint failed: t.c`). On PostgreSQL the rule is the name of the violated
    constraint or part of the message; `sqlstate` must match if it is given.

    An open transaction stays usable. Changes before the failure (`INSERT OR FAIL`) are not undone, so that the caller
    can check the rows.
    """
    with pytest.raises((psycopg.Error, sqlite3.IntegrityError)) as caught, _usable_afterwards(connection):
        execute(connection, statement, parameters)
    error = caught.value
    message = str(error)
    if isinstance(error, psycopg.Error):
        named = f"{error.diag.constraint_name}\n{message}"
        assert rule in named, f"refused, but not by {rule}: {named}"
        assert sqlstate in (None, error.sqlstate), f"SQLSTATE {error.sqlstate}, not {sqlstate}: {message}"
        return error
    assert (sqlite_says or rule) in message, f"refused, but not by {sqlite_says or rule}: {message}"
    return error


def _usable_afterwards(connection: Connection) -> AbstractContextManager[Any]:
    """PostgreSQL gives up a whole transaction for one failed statement, unless there is a savepoint."""
    if isinstance(connection, sqlite3.Connection):
        return nullcontext()
    return connection.transaction()
