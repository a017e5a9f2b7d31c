"""Rows and changes that a table must refuse: tried on INSERT and on UPDATE, with what is stored left as it was."""

import itertools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.models import Base, UtcTimestamp
from kms_schema.models.envelopes import EnvelopeBytes
from support.engines.database import Connection
from support.rows.smallest import Row, in_words
from support.statements import execute, refused

CHECK_VIOLATION = "23514"
UNIQUE_VIOLATION = "23505"
FOREIGN_KEY_VIOLATION = "23503"


@dataclass(frozen=True)
class Forbidden:
    """A change that turns an accepted row into a refused one, and the rule that refuses it."""

    change: Row
    rule: str
    sqlstate: str = CHECK_VIOLATION
    sqlite_says: str | None = None

    def __str__(self) -> str:
        """Name the case in pytest's listing."""
        return f"{self.rule}-{in_words(self.change)}"[:100]


def stored(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    """Return every row of `table`."""
    return list(execute(connection, f"SELECT * FROM {table} ORDER BY 1, 2").fetchall())  # noqa: S608


def value_of(connection: Connection, table: str, row: Row, column: str) -> Any:
    """Return what is stored in one column of `row`."""
    found = execute(connection, f'SELECT "{column}" FROM {table} WHERE id = :id', {"id": row["id"]})  # noqa: S608
    return found.fetchone()[0]


def update(connection: Connection, table: str, row: Row, **change: Any) -> Row:
    """Update `row` by plain SQL and return it as it is now."""
    execute(connection, _update(table, change), {**_places(change), "the_row": row["id"]})
    return {**row, **change}


def refuses(
    connection: Connection,
    table: str,
    statement: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    rule: str,
    sqlstate: str | None = None,
    sqlite_says: str | None = None,
) -> None:
    """Assert that a statement is refused by `rule` and `table` holds the same rows afterwards."""
    before = stored(connection, table)
    refused(connection, statement, parameters, rule=rule, sqlstate=sqlstate, sqlite_says=sqlite_says)
    assert stored(connection, table) == before


def refuses_insert(connection: Connection, table: str, row: Row, forbidden: Forbidden) -> None:
    """Assert that `row` cannot be inserted once it is changed."""
    changed = {**row, **forbidden.change}
    columns = ", ".join(f'"{column}"' for column in changed)
    places = ", ".join(f":{place}" for place in _places(changed))
    _refuses(connection, table, f"INSERT INTO {table} ({columns}) VALUES ({places})", _places(changed), forbidden)  # noqa: S608


def refuses_update(connection: Connection, table: str, row: Row, forbidden: Forbidden) -> None:
    """Assert that the stored `row` cannot be changed so."""
    parameters = {**_places(forbidden.change), "the_row": row["id"]}
    _refuses(connection, table, _update(table, forbidden.change), parameters, forbidden)


def _refuses(
    connection: Connection, table: str, statement: str, parameters: Mapping[str, Any], forbidden: Forbidden
) -> None:
    refuses(
        connection,
        table,
        statement,
        parameters,
        rule=forbidden.rule,
        sqlstate=forbidden.sqlstate,
        sqlite_says=forbidden.sqlite_says,
    )


def _update(table: str, change: Row) -> str:
    assignments = ", ".join(f'"{column}" = :{place}' for column, place in zip(change, _places(change), strict=True))
    return f"UPDATE {table} SET {assignments} WHERE id = :the_row"  # noqa: S608


def _places(values: Row) -> Row:
    return {f"new_{column}": value for column, value in values.items()}


# Values that SQLite would store silently, by the column's type on PostgreSQL.
_MALFORMED: tuple[tuple[type[sa.types.TypeEngine[Any]], tuple[Any, ...]], ...] = (
    (
        UtcTimestamp,
        (
            "2999-01-01",
            "2999-01-01 00:00:00.000000Z",
            "2999-01-01T00:00:00Z",
            "2999-01-01T00:00:00.000000+02:00",
            "2999-02-30T00:00:00.000000Z",
            "2999-01-01T00:00:00.000000Z\0",
            "2999-01-01T24:00:00.000000Z",
            "0000-01-01T00:00:00.000000Z",
            5,
        ),
    ),
    (
        sa.Uuid,
        ("0123456789ABCDEF0123456789ABCDEF", "01234567-89ab-7def-8123-456789abcdef", "0" * 32 + "\0", b"0" * 32, 5),
    ),
    (sa.Boolean, (2, -1, 0.5, "true", "")),
    (sa.BigInteger, ("many", 1.5, b"1", "")),
    (sa.Integer, ("many", 1.5, b"1", "", 2**31)),
    (sa.JSON, ("{", "", "5", "null", "{}\0", "[]\0", b"{}", 5)),
    (EnvelopeBytes, ("\x01" + "x" * 60, 5)),
    (sa.LargeBinary, ("\x01" + "x" * 60, 5)),
    (sa.String, (b"bytes", "NUL\0inside")),
)


def malformed(table: str, column: str) -> list[Forbidden]:
    """Return each value that the type of a column does not have."""
    kind = Base.metadata.tables[table].columns[column].type
    values = next(values for each, values in _MALFORMED if isinstance(kind, each))
    return [Forbidden({column: value}, f"ck_{table}_{column}_") for value in values]


def _each_setting() -> pytest.MarkDecorator:
    names = ("foreign_keys", "recursive_triggers", "ignore_check_constraints")
    combinations = [dict(zip(names, values, strict=True)) for values in itertools.product(("ON", "OFF"), repeat=3)]
    return pytest.mark.parametrize(
        "settings",
        [
            pytest.param(each, id=in_words(each), marks=() if len(set(each.values())) == 1 else pytest.mark.full)
            for each in combinations
        ],
    )


EACH_SETTING = _each_setting()
"""Runs a test with settings of SQLite clients, on which no rule depends: all on and all off, with --full each."""


def apply_settings(connection: Connection, settings: Mapping[str, str]) -> None:
    """Set pragmas outside of a transaction, where alone they take effect, and begin a new one."""
    execute(connection, "ROLLBACK")
    for name, value in settings.items():
        execute(connection, f"PRAGMA {name} = {value}")
    execute(connection, "BEGIN")


def refuses_displacement(connection: Connection, table: str, row: Row, taken: Row, *, rule: str) -> None:
    """Assert that SQLite lets no form of REPLACE, IGNORE or upsert put `row` in the place that `taken` says.

    `taken` are the values of a unique key of another row; they are tried on INSERT, and on UPDATE of `row` unless
    they hold an `id`, which never changes.
    """
    changed = {**row, "id": uuid.uuid4(), **taken}
    columns = ", ".join(f'"{column}"' for column in changed)
    values = f"({columns}) VALUES ({', '.join(f':{column}' for column in changed)})"
    for statement in (
        f"REPLACE INTO {table} {values}",
        f"INSERT OR REPLACE INTO {table} {values}",
        f"INSERT OR IGNORE INTO {table} {values}",
        f"INSERT OR FAIL INTO {table} {values}",
        f"INSERT INTO {table} {values} ON CONFLICT DO NOTHING",
        f"INSERT INTO {table} {values} ON CONFLICT (id) DO UPDATE SET id = excluded.id",
    ):
        refuses(connection, table, statement, changed, rule=rule)
    if "id" not in taken:
        for resolution in ("REPLACE", "IGNORE", "FAIL"):
            statement = _update(table, taken).replace("UPDATE", f"UPDATE OR {resolution}", 1)
            refuses(connection, table, statement, {**_places(taken), "the_row": row["id"]}, rule=rule)
