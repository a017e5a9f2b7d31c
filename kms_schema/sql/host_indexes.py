"""Indexes on a table of the host application. The table may not exist, or lack columns."""

import logging
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from kms_schema.sql import statement
from kms_schema.sql.declarations import Declaration
from kms_schema.sql.indexes import Index, create_indexes
from kms_schema.sql.operations import engine_name, execute, locks, on_postgresql, schema, writes_script

log: logging.Logger = logging.getLogger("alembic.runtime.migration")

_OTHER_KINDS = {
    "postgresql": """
        SELECT CASE c.relkind
            WHEN 'p' THEN 'partitioned' WHEN 'v' THEN 'a view' WHEN 'f' THEN 'a foreign table' END
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = :schema AND c.relname = :table
    """,
    "sqlite": """
        SELECT CASE WHEN type = 'view' THEN 'a view' WHEN sql LIKE 'CREATE VIRTUAL %' THEN 'a virtual table' END
        FROM sqlite_master WHERE type IN ('table', 'view') AND name = :table COLLATE NOCASE
    """,
}
"""Kinds of relations on which no index can be built, or not beside clients; NULL for a table."""


def create_host_indexes(revision: str, table: str, indexes: Sequence[Index]) -> None:
    """Build the `indexes` whose columns the host's `table` has, and log the indexes that are left out.

    Only the schema of the migration is searched for the table. `revision` is the number that log messages begin with.
    A script has a statement that decides when it runs; on SQLite, which has no conditional DDL, a comment.
    """
    if writes_script():
        for index in indexes:
            _write_script(revision, index)
        return
    if (kind := _other_kind(table)) is not None:
        log.info("%s: %s is %s: nothing is indexed", revision, table, kind)
        return
    present = _columns(table)
    if not present:
        log.info("%s: there is no table %s of an application here, so there is nothing to index", revision, table)
    for index in indexes:
        missing = [column for column in index.columns if column not in present]
        if not missing:
            create_indexes((index,))
        elif present:
            log.info("%s: %s is left out: %s has no column %s", revision, index.name, table, ", ".join(missing))


def _columns(table: str) -> set[str]:
    """Return the columns of a table that can be indexed."""
    inspector = sa.inspect(op.get_bind())
    within = schema() if on_postgresql() else None
    if not inspector.has_table(table, schema=within):
        return set()
    # PostgreSQL builds no index on a column that it computes when it is read.
    return {
        column["name"]
        for column in inspector.get_columns(table, schema=within)
        if not on_postgresql() or column.get("computed", {}).get("persisted", True)
    }


def _other_kind(table: str) -> str | None:
    """Return what a host has under the name of a table; None for a table, or for nothing."""
    names = {"schema": schema(), "table": table} if on_postgresql() else {"table": table}
    found = op.get_bind().execute(sa.text(_OTHER_KINDS[engine_name()]), names).scalar_one_or_none()
    return None if found is None else str(found)


def _write_script(revision: str, index: Index) -> None:
    listed = ", ".join(f'"{column}"' for column in index.columns)
    if not on_postgresql():
        columns = ", ".join(index.columns)
        comment = (
            f"-- {revision}: on a host's own {index.table}: CREATE INDEX {index.name} ON {index.table} ({columns})"
        )
        execute(comment, Declaration())
        return
    values: dict[str, str | int] = {
        "schema": schema(),
        "table": index.table,
        "name": index.name,
        "columns": listed,
        "wanted": ", ".join(f"'{column}'" for column in index.columns),
        "count": len(index.columns),
    }
    building = locks("SHARE", (index.table,), f"building {index.name}", long=True)
    execute(statement("create_host_index", **values), Declaration(building))
