"""Indexes: built beside clients that write, replaced and dropped."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

from kms_schema.sql import statement
from kms_schema.sql.declarations import Declaration, IndexBuild, declaring
from kms_schema.sql.operations import (
    engine_name,
    execute,
    locks,
    on_postgresql,
    only_planned,
    outside_of_transactions,
    qualified,
    runs_concurrently,
    schema,
    waiting_for_transactions,
    writes_script,
)

log: logging.Logger = logging.getLogger("alembic.runtime.migration")

_TAKEN = {
    "postgresql": (
        "SELECT true FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid"
        " WHERE c.oid = pg_catalog.to_regclass(:index)"
        " AND i.indrelid IS DISTINCT FROM CAST(pg_catalog.to_regclass(:table) AS pg_catalog.oid)"
    ),
    "sqlite": "SELECT true FROM sqlite_master WHERE name = :index AND NOT (type = 'index' AND tbl_name = :table)",
}


@dataclass(frozen=True)
class Index:
    """An index that a revision creates.

    Example: `Index("idx_keys_label", "keys", ("label", "coalesce(a, b)"), where="label IS NOT NULL")`.
    """

    name: str
    table: str
    """The table or materialized view of the index, without the schema."""
    columns: tuple[str, ...]
    """Columns, and expressions, which have a bracket in them."""
    unique: bool = False
    where: str | None = None
    """The predicate of a partial index."""
    using: str | None = None
    """PostgreSQL's access method; a B-tree by default, and always on SQLite."""
    storage: Mapping[str, str | int] | None = None
    """PostgreSQL's storage parameters."""


def create_indexes(indexes: Sequence[Index]) -> None:
    """Build the indexes that do not exist yet, on tables in use.

    On PostgreSQL each is built CONCURRENTLY, which commits everything before it. An index that an interrupted build
    left INVALID is dropped and built again. Inside a transaction that the caller holds open it is built as usual, and
    writers wait. On SQLite the file is locked already. Raises `CommandError` for a name that something else has.
    """
    for index in indexes:
        if not on_postgresql() or not runs_concurrently():
            _refuse_taken(index)
            _build(index, if_not_exists=True, concurrently=False)
            continue
        with outside_of_transactions():
            _refuse_taken(index)
            _drop_invalid(index)
            if not only_planned():
                log.info("building %s on %s", index.name, qualified(index.table))
            with waiting_for_transactions():
                _build(index, if_not_exists=True, concurrently=True)


def create_indexes_of_new(indexes: Sequence[Index]) -> None:
    """Build indexes on tables and materialized views that the same transaction has made."""
    for index in indexes:
        _build(index, if_not_exists=False, concurrently=False)


def drop_indexes(indexes: Sequence[Index], *, if_exists: bool = False) -> None:
    """Drop indexes in this transaction, in this order. Their tables are locked in ACCESS EXCLUSIVE mode."""
    for index in indexes:
        _drop(index.name, index.table, "IF EXISTS " if if_exists else "")


def replace_index(name: str, table: str) -> None:
    """Replace an index of `table` by the index `NAME_next`, which was built before; the caller has locked the table."""
    _drop(name, table)
    execute(f"ALTER INDEX {qualified(name + '_next')} RENAME TO {name}", Declaration())


def _drop(name: str, table: str, if_exists: str = "") -> None:
    taken = locks("ACCESS EXCLUSIVE", (table,), f"index {name}")
    execute(f"DROP INDEX {if_exists}{qualified(name)}", Declaration(taken, drops=(qualified(name),)))


def _build(index: Index, *, if_not_exists: bool, concurrently: bool) -> None:
    predicate = sa.text(index.where) if index.where else None
    with declaring(_declaration(index, concurrently=concurrently)):
        op.create_index(
            index.name,
            index.table,
            [sa.text(column) if "(" in column else column for column in index.columns],
            schema=schema() if on_postgresql() else None,
            unique=index.unique,
            if_not_exists=if_not_exists,
            postgresql_where=predicate,
            postgresql_concurrently=concurrently,
            postgresql_using=index.using,
            postgresql_with=dict(index.storage or {}),
            sqlite_where=predicate,
        )


def _declaration(index: Index, *, concurrently: bool) -> Declaration:
    mode = "SHARE UPDATE EXCLUSIVE" if concurrently else "SHARE"
    quote = op.get_context().dialect.identifier_preparer.quote
    columns = tuple(column if "(" in column else quote(column) for column in index.columns)
    build = None
    if index.using is None or not on_postgresql():  # a BRIN index takes next to no room
        build = IndexBuild(qualified(index.table), columns, index.where)
    return Declaration(
        locks(mode, (index.table,), f"building {index.name}", long=True),
        index=build,
        waits_for_transactions=concurrently,
    )


def _refuse_taken(index: Index) -> None:
    """Raise `CommandError` if something else has the name: IF NOT EXISTS is silent, and a downgrade would drop it."""
    if writes_script() or only_planned():
        return
    query = sa.text(_TAKEN[engine_name()])
    if op.get_bind().scalar(query, {"index": qualified(index.name), "table": qualified(index.table)}):
        raise CommandError(
            f"{qualified(index.name)} already exists, and is not an index of {qualified(index.table)}: rename it"
        )


def _drop_invalid(index: Index) -> None:
    name = qualified(index.name)
    taken = locks("SHARE UPDATE EXCLUSIVE", (index.table,), "dropping an INVALID index")
    if writes_script():
        execute(statement("drop_invalid_index", index=name), Declaration(locks("ACCESS EXCLUSIVE", (index.table,))))
        return
    if op.get_bind().scalar(sa.text(statement("index_is_invalid")), {"index": name}):
        with waiting_for_transactions():
            dropping = Declaration(taken, waits_for_transactions=True, rebuilds=name)
            execute(f"DROP INDEX CONCURRENTLY {name}", dropping)
