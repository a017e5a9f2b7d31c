"""Declarations of what statements of revisions do to a database in use: their locks, and what they create and drop.

Each operation declares this beside the statement that it executes. `kms-schema preflight` reads the declarations, and
`tests/migrations/test_migration_locks.py` compares them with `pg_locks` at every statement.

Locks are those of PostgreSQL (https://www.postgresql.org/docs/current/explicit-locking.html) on tables and views. Locks
that block no client are not declared: on catalogs, on Alembic's own table, and on a relation that the same transaction
creates. Nor are those on indexes and sequences, which are locked as their table is or weaker. On SQLite the whole file
is locked.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from kms_schema.errors import KmsSchemaError

MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
"""PostgreSQL's lock modes, from the weakest to the strongest."""


class UndeclaredError(KmsSchemaError, ValueError):
    """A revision does not declare the effect of a statement, or the relations that a view reads."""

    reason: Literal["reads", "statement"]


@dataclass(frozen=True)
class Lock:
    """A lock that a statement takes on a table or view."""

    relation: str
    """The name of the object, with its schema on PostgreSQL."""
    mode: str
    """The mode of the lock, from `MODES`."""
    work: str = ""
    """The work that is done under it, such as `trigger audit_key_master_insert`."""
    long: bool = False
    """True if the time that it takes grows with the relation."""


@dataclass(frozen=True)
class IndexBuild:
    """An index on a table, as far as its size depends on it."""

    table: str
    """The name of the object, with its schema on PostgreSQL."""
    columns: tuple[str, ...]
    """Columns and expressions, quoted as in a query."""
    where: str | None
    """The predicate of a partial index."""


@dataclass(frozen=True)
class Declaration:
    """The effects of one statement. The names have their schema where there are schemas."""

    locks: tuple[Lock, ...] = ()
    creates: tuple[str, ...] = ()
    """Objects that must not exist before."""
    drops: tuple[str, ...] = ()
    """Objects that do not exist afterwards."""
    index: IndexBuild | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns that are added to a table, with their types."""
    waits_for_transactions: bool = False
    """True if it waits for every older transaction to end, as CONCURRENTLY does."""
    rebuilds: str | None = None
    """An INVALID index that is dropped, since it will be built again."""


NOTHING = Declaration()
"""Of a statement that locks, creates and drops nothing: a setting, a comment, a privilege."""

_current: ContextVar[Declaration | None] = ContextVar("declaration", default=None)


@contextmanager
def declaring(declaration: Declaration) -> Iterator[None]:
    """Declare the effects of the statements that are executed inside the block."""
    before = _current.set(declaration)
    try:
        yield
    finally:
        _current.reset(before)


def declared() -> Declaration | None:
    """Return the declaration of the statement that is being executed; None if it has none, such as Alembic's own."""
    return _current.get()


def locking(mode: str, relations: Sequence[str], work: str = "", *, long: bool = False) -> tuple[Lock, ...]:
    """Return locks of one mode on several relations.

    Example: `locking("ACCESS SHARE", ("public.key_masters",), "view rotations_due")`.
    """
    return tuple(Lock(relation, mode, work, long) for relation in relations)
