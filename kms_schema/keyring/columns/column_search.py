"""Looks for ciphertexts of versions in columns of applications, before they would be lost.

Applications declare these columns, so a column is not trusted. A view would run its functions as the login that
searches. Row security, or a table of the same name in another schema, would hide rows.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from kms_schema.keyring.columns.host_columns import RANGES, ColumnName, RawType, prefix_range
from kms_schema.keyring.errors import ColumnError
from kms_schema.keyring.formats.prefix import Form
from kms_schema.text.identifiers import quoted

_SHOW_ALL_ROWS = sa.text(
    "SELECT pg_catalog.set_config('row_security', 'off', true),"
    " pg_catalog.set_config('constraint_exclusion', 'off', true)"
)
"""Rows that a policy would hide are an error of the query then, and the planner evaluates no CHECK."""

_STATEMENT_TIMEOUT = sa.text("SELECT pg_catalog.current_setting('statement_timeout')")
_WAIT_AT_MOST = sa.text(
    "SELECT pg_catalog.set_config('lock_timeout', :each, true), pg_catalog.set_config('statement_timeout', :all, true)"
)

_LEAST_WAIT = 0.1
"""Seconds that are left, with which a look does not go on."""

_NAMESAKES = sa.text("""
    SELECT n.nspname FROM pg_catalog.pg_class AS declared
    JOIN pg_catalog.pg_namespace AS home ON home.oid = declared.relnamespace
    JOIN pg_catalog.pg_class AS c ON c.relname = declared.relname AND c.relowner = declared.relowner
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
    WHERE declared.relname = :table AND home.nspname = :schema AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
        AND a.attname = :column AND a.atttypid = CAST('pg_catalog.bytea' AS pg_catalog.regtype)
""")

_ACCESS = sa.text("""
    SELECT CAST(CURRENT_USER AS text) AS login, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS may_use,
        pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') AS may_read
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relname = :table AND n.nspname = :schema AND a.attname = :column
""")

_KINDS = {
    "postgresql": sa.text("""
        WITH RECURSIVE part AS (
            SELECT c.oid, c.relkind FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relname = :table AND n.nspname = :schema
            UNION
            SELECT c.oid, c.relkind FROM part
            JOIN pg_catalog.pg_inherits AS i ON i.inhparent = part.oid
            JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
        )
        SELECT part.relkind IN ('r', 'p') AS is_table,
            a.atttypid = CAST('pg_catalog.bytea' AS pg_catalog.regtype) AND a.attgenerated <> 'v' AS is_bytes,
            EXISTS (
                SELECT FROM pg_catalog.pg_depend AS d
                LEFT JOIN pg_catalog.pg_operator AS o
                    ON o.oid = d.refobjid AND d.refclassid = CAST('pg_catalog.pg_operator' AS pg_catalog.regclass)
                JOIN pg_catalog.pg_proc AS f ON f.oid = CASE d.refclassid
                    WHEN CAST('pg_catalog.pg_proc' AS pg_catalog.regclass) THEN d.refobjid
                    ELSE CAST(o.oprcode AS pg_catalog.oid) END
                JOIN pg_catalog.pg_roles AS r ON r.oid = f.proowner
                WHERE NOT r.rolsuper AND NOT pg_catalog.pg_has_role(f.proowner, 'USAGE') AND (
                    d.classid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass) AND (d.objid = part.oid
                        OR d.objid IN (SELECT indexrelid FROM pg_catalog.pg_index WHERE indrelid = part.oid))
                    OR d.classid = CAST('pg_catalog.pg_statistic_ext' AS pg_catalog.regclass)
                        AND d.objid IN (SELECT oid FROM pg_catalog.pg_statistic_ext WHERE stxrelid = part.oid)
                )
            ) AS runs_code
        FROM part JOIN pg_catalog.pg_attribute AS a ON a.attrelid = part.oid AND a.attname = :column
    """),
    "sqlite": sa.text("""
        SELECT type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' AS is_table, 1 AS is_bytes, 0 AS runs_code
        FROM sqlite_master
        WHERE type IN ('table', 'view') AND name = :table COLLATE NOCASE AND coalesce(:schema, :column) IS NOT NULL
    """),
}


class LockWaits:
    """The waits for the locks of several tables on PostgreSQL, which together last no longer than one may.

    A login that declares columns can lock as many tables and partitions: for ever, or each until its wait is nearly
    over.
    """

    def __init__(self, seconds: float) -> None:
        """Wait no longer than `seconds` for all locks."""
        self._left = seconds

    @property
    def are_over(self) -> bool:
        """True if no time is left for another table."""
        return self._left < _LEAST_WAIT

    def bound(self, connection: sa.Connection, lock: Callable[[], object]) -> None:
        """Call `lock`, whose one statement only locks tables. Raises the driver's error where that takes too long."""
        configured = connection.execute(_STATEMENT_TIMEOUT).scalar_one()
        began = time.monotonic()
        milliseconds = max(1, round(self._left * 1000))
        connection.execute(_WAIT_AT_MOST, {"each": str(milliseconds), "all": str(milliseconds + 100)})
        limited = time.monotonic()
        try:
            lock()
        finally:
            # A statement that waits for nothing takes as long as the one before: that is the network.
            self._left -= max(0.0, (time.monotonic() - limited) - (limited - began))
        connection.execute(_WAIT_AT_MOST, {"each": str(milliseconds), "all": configured})


def with_namesakes(connection: sa.Connection, names: Iterable[ColumnName]) -> list[ColumnName]:
    """Return columns; on PostgreSQL also columns of other schemas whose table, column and owner have the same names.

    A session of the application may have another search path, or `schema_translate_map`, than the ring that declared
    the column. A table of another owner has nothing to do with it, and could stop a revocation by its name. Raises
    `ColumnError` (`host`) for a table without a schema that is not on the search path.
    """
    found = {name.resolved(connection) for name in names}
    if connection.dialect.name == "postgresql":
        for name in list(found):
            values = {"schema": name.schema, "table": name.table, "column": name.column}
            schemas = connection.execute(_NAMESAKES, values).scalars()
            found |= {ColumnName(name.table, name.column, schema) for schema in schemas}
    return sorted(found, key=str)


def count_ciphertexts_in(connection: sa.Connection, name: ColumnName, tag: int) -> int:
    """Return how many messages and streams of a version a column holds.

    Raises `ColumnError` (`host`) for what is no column of bytes in a table, and the driver's error where row security
    would hide rows.
    """
    _prepare(connection, name)
    column = _column(name)
    query = sa.select(sa.func.count()).where(_holds(column, [tag]))
    return connection.execute(query).scalar_one()


def holds_any(connection: sa.Connection, name: ColumnName, tags: Sequence[int], waits: LockWaits) -> bool:
    """Return whether a column holds a message or stream of one of these versions. Raises as the count does."""
    _prepare(connection, name)
    column = _column(name)
    if connection.dialect.name == "postgresql":
        waits.bound(connection, partial(connection.execute, sa.select(column).limit(0)))
    parts = (tags[begin : begin + RANGES] for begin in range(0, len(tags), RANGES))
    return any(_is_any(connection, _holds(column, part)) for part in parts)


def missing_access(connection: sa.Connection, name: ColumnName) -> str:
    """Return the statements that let this login read all rows of a column that it may not read, where some do."""
    values = {"table": name.table, "column": name.column, "schema": name.schema}
    found = connection.execute(_ACCESS, values).one()
    table = f"{quoted(name.schema or '')}.{quoted(name.table)}"
    login = quoted(found.login)
    statements = [
        *([] if found.may_use else [f"GRANT USAGE ON SCHEMA {quoted(name.schema or '')} TO {login};"]),
        *([] if found.may_read else [f"GRANT SELECT ({quoted(name.column)}) ON {table} TO {login};"]),
    ]
    if statements:
        return f"as the owner of the table, run {' '.join(statements)}"
    return f"row-level security of {table} hides rows from {login}; use a login with BYPASSRLS"


def refuse_other_values(connection: sa.Connection, name: ColumnName) -> None:
    """Raise `ColumnError` for a column of SQLite that holds texts or numbers: ciphertexts in hex are not found."""
    column = _column(name)
    if connection.dialect.name == "sqlite" and _is_any(connection, column < b""):
        raise ColumnError(
            f"column {name} holds values that are no bytes: ciphertexts in them are not found", reason="host"
        )


def _prepare(connection: sa.Connection, name: ColumnName) -> None:
    """Refuse what may hide rows or run functions, and have PostgreSQL show all rows or fail."""
    dialect = connection.dialect.name
    values = {"table": name.table, "column": name.column, "schema": name.schema}
    for kind in connection.execute(_KINDS[dialect], values).all():
        if not kind.is_table:
            raise ColumnError(
                f"{name} is not a column of a table: rows may be hidden, and functions may run", reason="host"
            )
        if not kind.is_bytes:
            raise ColumnError(f"column {name} is generated, or does not have the type bytea", reason="host")
        if kind.runs_code:  # the planner evaluates immutable functions of constants, as the login that looks
            raise ColumnError(
                f"column {name}: an index, a partition key or statistics of the table would run a function of another"
                " role as this login: search as its owner or as a superuser",
                reason="host",
            )
    if dialect == "postgresql":
        connection.execute(_SHOW_ALL_ROWS)


def _is_any(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> bool:
    query: sa.Select[Any] = sa.select(sa.literal_column("1")).where(condition).limit(1)
    return connection.execute(query).first() is not None


def _holds(column: sa.ColumnClause[Any], tags: Sequence[int]) -> sa.ColumnElement[bool]:
    ranges = [prefix_range(tag, form) for tag in tags for form in Form]
    return sa.or_(*(sa.and_(column >= low, column < high) for low, high in ranges))


def _column(name: ColumnName) -> sa.ColumnClause[Any]:
    column: sa.ColumnClause[Any] = sa.column(name.column, RawType())
    sa.table(name.table, column, schema=name.schema)
    return column
