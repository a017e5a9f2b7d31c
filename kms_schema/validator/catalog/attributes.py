"""The structure of an actual and an expected catalog: objects, their attributes, and what they need.

An object's key is its kind and name, `column key_masters.status`; its attributes are a flat dictionary of JSON
values. An attribute at its default is left out. `needs` names the objects that this one depends on.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kms_schema.errors import KmsSchemaError
from kms_schema.snapshots import Attributes, Objects
from kms_schema.text.identifiers import always_quoted, unquoted

__all__ = [
    "RELATION_KINDS",
    "ROUTINE_KINDS",
    "STAMPS",
    "TYPE_KINDS",
    "Attributes",
    "Catalog",
    "Names",
    "Objects",
    "Revisions",
    "UnreadableError",
    "ValidationError",
    "attached",
    "identifier_of",
    "in_order",
    "kind_and_name",
    "names_of",
    "own_name",
    "routine",
    "split_name",
    "without_defaults",
]  # fmt: skip

RELATION_KINDS = ("table", "partitioned table", "foreign table", "view", "materialized view")
ROUTINE_KINDS = ("function", "procedure", "aggregate")
_ON_A_TABLE = frozenset({"column", "constraint", "trigger", "rule", "policy"})
TYPE_KINDS = ("extension", "enum", "domain", "composite type")
"""Types, and extensions, whose members they are as often: other objects need them first."""
_IN_QUOTES = re.compile(r'"(?:[^"]|"")*"')
_QUOTE = '"'
_QUOTED_TABLE = re.compile(r'("(?:[^"]|"")*")\.')
_KINDS = (*RELATION_KINDS, *ROUTINE_KINDS, *TYPE_KINDS, "incoming reference", "child table")


STAMPS = 100
"""How many revisions are read from the version table, which should have one."""


DATA_CORRUPTED = "XX001"


class ValidationError(KmsSchemaError):
    """There is no verdict: the database could not be read, or not consistently; the message has the cause.

    - `no_schema`: the database has no such schema
    - `changed_meanwhile`: an object was dropped or altered while its definition was read; the message is the server's
    """

    reason: Literal["no_schema", "changed_meanwhile"] | None


class UnreadableError(KmsSchemaError):
    """A check could not run; the message has the cause, `sqlstate` PostgreSQL's code if there is one.

    SQLite has no such codes: `data_corrupted` also stands for its malformed files.
    """

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        """Take the reason, and the code of the server."""
        super().__init__(message)
        self.sqlstate = sqlstate

    @property
    def is_damage(self) -> bool:
        """True if the server refused stored data as damaged."""
        return self.sqlstate in {DATA_CORRUPTED, "XX002"}


@dataclass(frozen=True)
class Names:
    """The names of the objects of the schema; what is attached to them is included."""

    relations: tuple[str, ...]
    functions: tuple[str, ...]
    sequences: tuple[str, ...]


@dataclass(frozen=True)
class Revisions:
    """The content of Alembic's table. If it could not be read, `stamped` is None and `reason` the reason."""

    stamped: tuple[str, ...] | None
    table_exists: bool
    reason: str | None = None


@dataclass(frozen=True)
class Catalog:
    """The objects of the schema in one database, read in one snapshot."""

    engine: str
    version: str
    schema: str
    revisions: Revisions
    objects: Objects


def kind_and_name(key: str) -> tuple[str, str]:
    """Split an object's key: `materialized view dashboard` gives `("materialized view", "dashboard")`."""
    for kind in _KINDS:
        if " " in kind and key.startswith(kind + " "):
            return kind, key[len(kind) + 1 :]
    kind, _, name = key.partition(" ")
    return kind, name


def own_name(key: str) -> str:
    """Return an object's name without its table."""
    kind, name = kind_and_name(key)
    return split_name(name)[1] if kind in _ON_A_TABLE else name


def attached(table: str, name: str) -> str:
    """Return the name in the key of what is attached to a table; a table whose name has a dot is in quotes there."""
    return f"{always_quoted(table) if '.' in table or table.startswith(_QUOTE) else table}.{name}"


def split_name(name: str) -> tuple[str, str]:
    """Split a name that `attached` returned into the table, and the name of what is attached to it."""
    if match := _QUOTED_TABLE.match(name):
        return unquoted(match[1]), name[match.end() :]
    table, _, own = name.partition(".")
    return table, own


def routine(name: str) -> str:
    """Return the identifier at the beginning of a routine's name, which ends with its arguments."""
    return identifier_of(name, "(")


def identifier_of(text: str, end: str = " ") -> str:
    """Return the identifier at the beginning of a text: in quotes, or until the character `end`."""
    match = _IN_QUOTES.match(text)
    return match[0] if match else text.partition(end)[0]


def names_of(*expected: Mapping[str, Attributes]) -> Names:
    """Return the names of the relations, functions and sequences of one or more snapshots."""
    relations: set[str] = set()
    functions: set[str] = set()
    sequences: set[str] = set()
    for key in (key for objects in expected for key in objects):
        kind, name = kind_and_name(key)
        if kind in RELATION_KINDS:
            relations.add(name)
        elif kind in ROUTINE_KINDS:
            functions.add(unquoted(routine(name)))
        elif kind == "sequence":
            sequences.add(name)
    return Names(*(tuple(sorted(names)) for names in (relations, functions, sequences)))


def without_defaults(attributes: Mapping[str, Any]) -> Attributes:
    """Remove the attributes that are None, which stands for the default."""
    return {name: value for name, value in attributes.items() if value is not None}


def in_order(objects: Iterable[tuple[str, Attributes]]) -> Objects:
    """Sort objects by key and attributes by name, so that the result is the same for every read.

    Unusual names can give two objects the same key: the result has both.
    """
    ordered: Objects = {}
    for name, attributes in sorted(objects, key=lambda each: each[0]):
        key = name
        while key in ordered:
            key += " again"
        ordered[key] = dict(sorted(attributes.items()))
    return ordered
