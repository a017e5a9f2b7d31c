"""What a probe tries: a write that a rule forbids, or one that a trigger promises to complete.

Statements are written once for both engines: `{schema}.` stands before each of our tables, values are written `:name`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Engine = Literal["postgresql", "sqlite"]
Row = dict[str, Any]

CHECK_VIOLATION = "23514"
UNIQUE_VIOLATION = "23505"
FOREIGN_KEY_VIOLATION = "23503"
NOT_NULL_VIOLATION = "23502"
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
    """A value that the database works out from what is there: an expression, such as the number after the last."""

    text: str


@dataclass(frozen=True)
class Attempt:
    """A write that must be refused, after writes that must be accepted."""

    rule: str
    """The name that the refusal must bear."""
    table: str
    tries: str
    """The write, in words: `a key goes back from revoked to active`."""
    forbidden: Statement
    given: tuple[Statement, ...] = ()
    permitted: Statement | None = None
    """The same without what is forbidden in it: if this is accepted, it is the rule that refuses the other."""
    sqlstate: str = CHECK_VIOLATION
    guard: str | None = None
    """The trigger that refuses, where its name is not the rule's; where it is not expected, what the rule names is."""
    only_guarded: bool = False
    """Made only where `guard` is expected: nothing else would refuse it."""
    or_by: tuple[str, ...] = ()
    """Other rules that may refuse it first: which table the server looks at first, is not for the statement to say."""
    unless: str | None = None
    """An object that refuses the same under another name, where it is expected."""
    engine: Engine | None = None
    since: int = 0
    """The first major version of PostgreSQL that knows the statement."""
    by: Literal["owner", "others"] | None = None
    """Whether only members of the owner's role have to be refused this, or only everyone else."""
    foreign_keys: bool | None = None
    """Whether it is made only where foreign keys are kept, or only where they are not."""
    checks_ignored: bool = False
    """On SQLite: with `PRAGMA ignore_check_constraints` on."""
    says: str | None = None
    """What SQLite says where it does not name the rule."""


@dataclass(frozen=True)
class Promise:
    """A write after which a trigger or foreign key must have done its part."""

    guards: Mapping[Engine, tuple[str, ...]]
    """Who keeps the promise: of these objects the first that is expected."""
    keeps: str
    """What is promised, in words."""
    done: Statement
    question: Statement
    """Has one row, of one value that is true, if the promise was kept."""
    given: tuple[Statement, ...] = ()
    foreign_keys: Mapping[Engine, bool] = field(default_factory=dict)
    """Where the engine's own foreign keys have to do a part of it, so that nothing is promised without them."""


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
"""Before TRUNCATE, which waits for everybody who uses the table, and lets nobody begin to meanwhile."""
