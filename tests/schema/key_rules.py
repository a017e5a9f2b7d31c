"""Stored rows and refused changes, for the tests of keys and their versions."""

import datetime as dt
from typing import Any

from support.engines.database import Connection
from support.rows.smallest import Row, now
from support.statements import adapt, dialect_of, execute, refused

CHECK_VIOLATION = "23514"
RESTRICT_VIOLATION = "23001"
FOREIGN_KEY_VIOLATION = "23503"
SQLSTATES = {
    "pk_": "23505",
    "uq_": "23505",
    "fk_": FOREIGN_KEY_VIOLATION,
    "prevent_key_version_delete": RESTRICT_VIOLATION,
    "prevent_key_version_destruction": RESTRICT_VIOLATION,
}
"""PostgreSQL's SQLSTATE by the prefix of a rule's name; all other rules are check violations."""


def stored(connection: Connection, table: str, row: Row) -> tuple[Any, ...] | None:
    """Return the row of `table` with the id of `row`, as the driver gives it."""
    statement = f"SELECT * FROM {table} WHERE id = :id"  # noqa: S608
    found: tuple[Any, ...] | None = execute(connection, statement, {"id": row["id"]}).fetchone()
    return found


def value(connection: Connection, table: str, row: Row, column: str) -> Any:
    """Return one column of a stored row."""
    return execute(connection, f"SELECT {column} FROM {table} WHERE id = :id", {"id": row["id"]}).fetchone()[0]  # noqa: S608


def update(connection: Connection, table: str, row: Row, **changes: Any) -> None:
    """Change a stored row by plain SQL."""
    execute(connection, update_statement(table, changes), {**_new(changes), "its_id": row["id"]})


def update_statement(table: str, changes: Row, verb: str = "UPDATE") -> str:
    """Return the statement that makes `changes` to the row `:its_id`; their parameters are named `new_…`."""
    assignments = ", ".join(f"{column} = :new_{column}" for column in changes)
    return f"{verb} {table} SET {assignments} WHERE id = :its_id"


def insert_refused(
    connection: Connection, table: str, row: Row, *, rule: str, sqlstate: str | None = None, verb: str = "INSERT"
) -> None:
    """Assert that `rule` refuses a new row, which then is not there."""
    before = stored(connection, table, row)
    columns = ", ".join(row)
    places = ", ".join(f":{column}" for column in row)
    statement = f"{verb} INTO {table} ({columns}) VALUES ({places})"
    refused(connection, statement, row, rule=rule, sqlstate=sqlstate or _sqlstate(rule))
    assert stored(connection, table, row) == before


def update_refused(
    connection: Connection,
    table: str,
    row: Row,
    changes: Row,
    *,
    rule: str,
    sqlstate: str | None = None,
    verb: str = "UPDATE",
) -> Exception:
    """Assert that `rule` refuses `changes` to a stored row, which then is as it was; return the error."""
    before = stored(connection, table, row)
    assert before is not None
    error = refused(
        connection,
        update_statement(table, changes, verb),
        {**_new(changes), "its_id": row["id"]},
        rule=rule,
        sqlstate=sqlstate or _sqlstate(rule),
    )
    assert stored(connection, table, row) == before
    return error


def delete_refused(connection: Connection, table: str, row: Row, *, rule: str) -> None:
    """Assert that `rule` refuses to delete a stored row, which then is as it was."""
    before = stored(connection, table, row)
    assert before is not None
    statement = f"DELETE FROM {table} WHERE id = :id"  # noqa: S608
    error = refused(connection, statement, {"id": row["id"]}, rule=rule)
    if dialect_of(connection) == "postgresql":  # from 18 on, a foreign key that restricts has a SQLSTATE of its own
        allowed = {_sqlstate(rule), RESTRICT_VIOLATION if rule.startswith("fk_") else None}
        assert getattr(error, "sqlstate", None) in allowed
    assert stored(connection, table, row) == before


def same(connection: Connection, found: Any, expected: Any) -> bool:
    """Return whether a value that was read is what `expected` is stored as."""
    return bool(found == adapt(expected, dialect_of(connection)))


def is_recent(connection: Connection, found: Any) -> bool:
    """Return whether a time that was read is now, give or take a minute."""
    dialect, minute = dialect_of(connection), dt.timedelta(minutes=1)
    return bool(adapt(now() - minute, dialect) < found < adapt(now() + minute, dialect))


def _new(changes: Row) -> Row:
    return {f"new_{column}": given for column, given in changes.items()}


def _sqlstate(rule: str) -> str | None:
    if not rule:
        return None  # what a driver or a type refuses goes by no name
    return next((given for prefix, given in SQLSTATES.items() if rule.startswith(prefix)), CHECK_VIOLATION)
