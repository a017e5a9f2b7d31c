"""Operations of revisions on databases in use: on both engines, and as `alembic … --sql` writes them.

An operation takes names, and declares what its statements lock, create and drop. Its result in the catalog is part of
the history and never changes; its statements may change.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa
from alembic import op

from kms_schema.sql import statement
from kms_schema.sql.declarations import NOTHING, Declaration, Lock, declaring, locking
from kms_schema.sql.verbatim import Verbatim

LOCK_ATTEMPTS = 10
"""How many times the locks of a transaction are requested with the full timeouts, before the revision fails."""
SHORT_LOCK_TIMEOUT_MS = 100
"""Milliseconds that each attempt before these waits in total; lock_timeout divided by it is their number."""

PLANNING_OPTION = "kms_planning"
"""Option of the migration context: statements are recorded and not executed, so none sees what one before made."""

SCHEMA_OPTION = "kms_schema"
LOCK_TIMEOUT_OPTION = "kms_lock_timeout_ms"
LOCK_WAIT_OPTION = "kms_lock_wait_ms"
"""Options of the migration context: the schema of all objects, milliseconds to wait for a table's lock, and
milliseconds to wait for other transactions to end, which blocks no client."""

Value = TypeVar("Value")
PerEngine = Mapping[str, Value]
"""A value for `postgresql` and one for `sqlite`."""


def schema() -> str:
    """Return the PostgreSQL schema of all objects, as an identifier."""
    return str(op.get_context().opts.get(SCHEMA_OPTION, "public"))


def engine_name() -> str:
    """Return `postgresql` or `sqlite`."""
    return op.get_context().dialect.name


def on_postgresql() -> bool:
    """Return whether the engine is PostgreSQL."""
    return engine_name() == "postgresql"


def qualified(name: str) -> str:
    """Return the name with the schema before it, where there are schemas."""
    return f"{schema()}.{name}" if on_postgresql() else name


def writes_script() -> bool:
    """Return whether a script is written, as `alembic … --sql` does, and nothing is connected to."""
    return op.get_context().as_sql


def only_planned() -> bool:
    """Return whether nothing is executed: a script is written, or a plan made."""
    return writes_script() or bool(op.get_context().opts.get(PLANNING_OPTION))


def execute(sql: str, declaration: Declaration) -> None:
    """Execute one statement as it is written: no colon in it is a bind parameter. `declaration` says what it does."""
    with declaring(declaration):
        op.execute(Verbatim(sql))


def locks(mode: str, relations: Sequence[str], work: str = "", *, long: bool = False) -> tuple[Lock, ...]:
    """Return declared locks on relations, by names without a schema; nothing on SQLite.

    `mode`, `work` and `long` are those of `Lock`.
    """
    return locking(mode, [qualified(name) for name in relations], work, long=long) if on_postgresql() else ()


def commit() -> bool:
    """Commit the changes of the revision before its stamp; return whether the database allows this.

    The revision has to recognize it when it runs again. Nothing is committed on SQLite, where no other session
    can write before the end, in a plan or script, and inside a transaction that the caller holds open.
    """
    if not on_postgresql() or only_planned() or not runs_concurrently():
        return False
    with outside_of_transactions():
        return True


def lock(tables: Sequence[str], mode: str, *, views: Sequence[str] = ()) -> None:
    """Lock `tables` in `mode`, and `views` in ACCESS EXCLUSIVE mode, in this transaction, all or none.

    SQLite's file is locked already. Views come first, since a reader locks the view before the tables that it reads;
    materialized views are views here.

    Each of the first attempts waits `SHORT_LOCK_TIMEOUT_MS` milliseconds in total and then releases its locks, until
    `lock_timeout` is used up. A client behind such an attempt in the queue does not wait noticeably. Each attempt after
    these waits at most `lock_timeout` and `deadlock_timeout`, for a table under an autovacuum, which yields only to a
    waiter. No client waits longer than that, and no client's statement fails by a deadlock with the upgrade. After
    `LOCK_ATTEMPTS` of these the statement fails with SQLSTATE 55P03, and names the sessions that hold the lock.

    Example: `lock(("key_masters", "key_versions"), "SHARE ROW EXCLUSIVE")`.
    """
    if on_postgresql():
        listed = ", ".join(f"'{qualified(relation)}'" for relation in (*views, *tables))
        limits = {"attempts": LOCK_ATTEMPTS, "short_timeout_ms": SHORT_LOCK_TIMEOUT_MS}
        taken = locks("ACCESS EXCLUSIVE", views) + locks(mode, tables)
        execute(statement("lock_relations", relations=listed, mode=mode, **limits), Declaration(taken))


def delete_rows(*tables: str) -> None:
    """Delete all rows of tables, in this order."""
    for table in tables:
        execute(statement("delete_rows", table=qualified(table)), Declaration(locks("ROW EXCLUSIVE", (table,))))


def set_distinct_values(table: str, column: str, count: int) -> None:
    """Make PostgreSQL's planner expect `count` distinct values in a column; nothing is done on SQLite."""
    if on_postgresql():
        setting = f"ALTER COLUMN {column} SET (n_distinct = {count})"
        taken = locks("SHARE UPDATE EXCLUSIVE", (table,), f"column {column}, for the planner")
        execute(f"ALTER TABLE {qualified(table)} {setting}", Declaration(taken))


@contextmanager
def outside_of_transactions() -> Iterator[None]:
    """Run statements that no transaction allows; what was done before is committed.

    Alembic commits behind them in any case. Where the connection is lost, its error would hide the cause: an
    interruption (for which SQLAlchemy invalidates a connection), or the server.
    """
    ended_by: BaseException | None = None
    try:
        with op.get_context().autocommit_block():
            _end_transaction_of_pg8000()
            try:
                yield
            except BaseException as error:
                ended_by = error
                raise
    except sa.exc.PendingRollbackError:
        if ended_by is None:
            raise
        raise ended_by from None


def _end_transaction_of_pg8000() -> None:
    """End the transaction in which Alembic has read the isolation level: pg8000 stays in it, in AUTOCOMMIT too."""
    if not only_planned() and op.get_context().dialect.driver == "pg8000":
        dbapi_connection = op.get_bind().connection.dbapi_connection
        if dbapi_connection is not None:
            dbapi_connection.rollback()


@contextmanager
def waiting_for_transactions() -> Iterator[None]:
    """Set a longer lock_timeout: CONCURRENTLY waits for every older transaction, and blocks no client meanwhile."""
    context = op.get_context()
    timeout = f"{context.opts.get(LOCK_TIMEOUT_OPTION, 5000)}ms"
    if not context.as_sql:
        timeout = op.get_bind().scalar(sa.text("SHOW lock_timeout"))
    execute(f"SET lock_timeout = '{context.opts.get(LOCK_WAIT_OPTION, 600_000)}ms'", NOTHING)
    try:
        yield
    finally:
        if context.as_sql or not op.get_bind().invalidated:
            execute(f"SET lock_timeout = '{timeout}'", NOTHING)


def runs_concurrently() -> bool:
    """Return whether CONCURRENTLY and commits are possible: the caller holds no transaction open."""
    context = op.get_context()
    # Private, and the only place that says so when a host's environment runs these revisions.
    inside = getattr(context, "_in_external_transaction", False)
    return bool(context.opts.get("kms_concurrently", not inside))
