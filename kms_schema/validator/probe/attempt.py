"""The attempts of a probe: writes that a rule forbids, and writes whose effect a trigger promises.

Statements are written once for both engines: `{schema}.` stands before each of our tables, values are written `:name`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal

Engine = Literal["postgresql", "sqlite"]
Row = dict[str, Any]


class SqlState(StrEnum):
    """PostgreSQL's code of a refusal."""

    CHECK = "23514"
    UNIQUE = "23505"
    FOREIGN_KEY = "23503"
    NOT_NULL = "23502"
    WRITTEN_ONCE = "23001"
    TOO_LONG = "22001"


@dataclass(frozen=True)
class Statement:
    """One statement and its values, as Python has them: ids, times, bytes, documents.

    `copied` are the lines of a COPY … FROM STDIN.
    """

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)
    copied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Computed:
    """A value that the database computes: an expression, such as the number after the last."""

    text: str


@dataclass(frozen=True)
class Attempt:
    """A write that must be refused, after writes that must be accepted."""

    rule: str
    """The name of the rule in the refusal."""
    table: str
    tries: str
    """The write, in words: `a key goes back from revoked to active`."""
    forbidden: Statement
    given: tuple[Statement, ...] = ()
    permitted: Statement | None = None
    """The same write without the violation: if it is accepted, the rule refuses the other one."""
    sqlstate: str = SqlState.CHECK
    protection: str | None = None
    """The trigger that refuses, if it is expected and not named as the rule."""
    only_protected: bool = False
    """Made only if `protection` is expected: nothing else refuses it."""
    where: Mapping[str, Any] = field(default_factory=dict)
    """Attributes that `protection` must be expected to have."""
    or_by: tuple[str, ...] = ()
    """Other rules that may refuse it first: the order in which the server checks tables is not defined."""
    unless: str | None = None
    """An object that refuses the same under another name, if it is expected."""
    engine: Engine | None = None
    since: int = 0
    """The first major version of PostgreSQL with the statement."""
    by: Literal["owner", "others"] | None = None
    """The roles that are refused: only members of the owner role, or only others."""
    foreign_keys: bool | None = None
    """True: only with foreign keys enforced; False: only without; None: both."""
    checks_ignored: bool = False
    """On SQLite: with `PRAGMA ignore_check_constraints` on."""
    says: str | None = None
    """SQLite's message, if it does not name the rule."""


@dataclass(frozen=True)
class Promise:
    """A write whose effect a trigger or foreign key must complete."""

    protections: Mapping[Engine, tuple[str, ...]]
    """The object that completes the effect: the first of these that is expected."""
    keeps: str
    """The effect, in words."""
    done: Statement
    question: Statement
    """Returns one row with one true value if the effect is complete."""
    given: tuple[Statement, ...] = ()
    foreign_keys: Mapping[Engine, bool] = field(default_factory=dict)
    """The engines whose foreign keys complete a part of it: without them there is no promise."""


def adding(table: str, row: Row, verb: str = "INSERT", end: str = "") -> Statement:
    """Return the statement that inserts `row`."""
    columns = ", ".join(f'"{column}"' for column in row)
    places = ", ".join(value.text if isinstance(value, Computed) else f":{name}" for name, value in row.items())
    values = {name: value for name, value in row.items() if not isinstance(value, Computed)}
    return Statement(f"{verb} INTO {{schema}}.{table} ({columns}) VALUES ({places}){end}", values)


def changing(table: str, row: Row, verb: str = "UPDATE", **values: Any) -> Statement:
    """Return the statement that sets `values` in `row`."""
    assignments = ", ".join(f'"{column}" = :new_{column}' for column in values)
    places = {f"new_{column}": value for column, value in values.items()}
    return Statement(f"{verb} {{schema}}.{table} SET {assignments} WHERE id = :id", {"id": row["id"], **places})


def deleting(table: str, row: Row) -> Statement:
    """Return the statement that deletes `row`."""
    return Statement(f"DELETE FROM {{schema}}.{table} WHERE id = :id", {"id": row["id"]})


def plain(text: str, **values: Any) -> Statement:
    """Return a statement as it is written."""
    return Statement(text, values)


IMPATIENT = (Statement("SET LOCAL lock_timeout = '100ms'"),)
"""Before TRUNCATE, which waits for all other sessions on the table and makes new ones wait."""


def truncation(rule: str, table: str, tries: str = "", *, cascade: bool = False) -> Attempt:
    """Return the attempt to remove all rows of a table at once (PostgreSQL)."""
    statement = plain(f"TRUNCATE {{schema}}.{table}{' CASCADE' * cascade}")
    tries = tries or f"TRUNCATE of {table}"
    return Attempt(rule, table, tries, statement, IMPATIENT, sqlstate=SqlState.WRITTEN_ONCE, engine="postgresql")


def by_trigger(trigger: str, on_sqlite: str = "") -> dict[Engine, tuple[str, ...]]:
    """Return the trigger that completes an effect; it may have another name on SQLite."""
    return {"postgresql": (f"trigger {trigger}",), "sqlite": (f"trigger {on_sqlite or trigger}",)}


_LIST = Path(__file__).with_name("declared.json")


@dataclass(frozen=True)
class Declared:
    """A value that a column refuses."""

    table: str
    column: str
    refused: Any
    rule: str = ""
    """The name of the CHECK; none for NOT NULL and for the length of a type."""
    accepted: Any = None
    """The nearest value that the column accepts; None if the probe's own row has one."""
    length: int | None = None
    """The number of characters that the type accepts."""
    alone: bool = False
    """The value violates no other rule of its column."""
    engine: Engine | None = None


@cache
def declared() -> tuple[Declared, ...]:
    """Return the list."""
    return tuple(Declared(**each) for each in json.loads(_LIST.read_text("utf-8")))
