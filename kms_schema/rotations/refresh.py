"""Refresh precomputed data: the materialized views of PostgreSQL, and the lifetime use of keys.

Works on an idle connection of psycopg or `sqlite3`. On PostgreSQL the function `refresh_key_views` does the work with
the privileges of the views' owner; callers, such as `kms_sealer`, need only EXECUTE on it.
"""

import datetime as dt
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from kms_schema.database.driver_connections import DatabaseConnection, PostgresqlConnection
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS, POLL_SECONDS, described, durable, limits, refreshing
from kms_schema.rotations.claims import RotationError
from kms_schema.text.identifiers import quoted


@dataclass(frozen=True)
class RefreshedView:
    """A refreshed materialized view: its name, the time that its rows show, and the duration."""

    name: str
    as_of: dt.datetime
    milliseconds: int


@dataclass(frozen=True)
class Refreshed:
    """The refreshed views on PostgreSQL; the number of updated keys on SQLite, whose views are never stale."""

    views: tuple[RefreshedView, ...] = ()
    keys: int | None = None

    @property
    def left_to_another(self) -> bool:
        """True if another session refreshed the database meanwhile, so that nothing was done here."""
        return self.keys is None and not self.views


# A total stops at the maximum of a counter. sum() would fail where it exceeds 64 bits.
_USE = """(
    SELECT min(CAST(total(usage_count) AS INTEGER), 1000000000000000)
    FROM main.key_versions AS version WHERE version.key_id = key_masters.id
)"""
_COUNT_USE = f"UPDATE main.key_masters SET usage_count = {_USE} WHERE usage_count < {_USE}"


def refresh(
    connection: DatabaseConnection,
    schema: str = "public",
    lock_wait: float = LOCK_WAIT_SECONDS,
) -> Refreshed:
    """Refresh the views on PostgreSQL, and the lifetime use of keys on SQLite. Readers are not blocked.

    Any number of sessions may call this at once: one refreshes, the others wait until it has, and return
    `left_to_another`.

    - `connection`: idle, of psycopg or `sqlite3`
    - `schema`: the schema of the tables on PostgreSQL; not used on SQLite
    - `lock_wait`: how many seconds to wait for another session on PostgreSQL

    Raises `RotationError` (`refresh`) if the database is older than revision 005, or another session does not end its
    refresh in time, and the driver's errors.

    ```python
    with psycopg.connect(url, autocommit=True) as connection:
        print(refresh(connection).views)
    ```
    """
    if isinstance(connection, sqlite3.Connection):
        return _count_use(connection)
    function = f"{quoted(schema)}.refresh_key_views()"
    if connection.execute("SELECT pg_catalog.to_regprocedure(%s)", (function,)).fetchone() == (None,):
        raise RotationError(
            f"there is no {function}: upgrade the database (kms-schema upgrade), or name its schema (--schema)",
            reason="refresh",
        )
    query = f"SELECT view_name, refreshed_at, duration_ms FROM {function}"
    deadline, first = time.monotonic() + lock_wait, None
    while not (rows := _rows(connection, query, lock_wait)):
        if first is None:
            first = _latest(connection, schema)
        if (left := deadline - time.monotonic()) <= 0:
            raise RotationError(
                f"another session{_holder(connection, schema)} has been refreshing the views for {lock_wait:g} seconds:"
                " wait for it or end it, or allow more with --lock-wait SECONDS",
                reason="refresh",
            )
        time.sleep(min(POLL_SECONDS, left))
        if _latest(connection, schema) != first:
            return Refreshed()
    return Refreshed(tuple(RefreshedView(*row) for row in rows))


def _rows(connection: PostgresqlConnection, query: str, lock_wait: float) -> list[tuple[Any, ...]]:
    """Return the rows of a query that waits for each table at most `lock_wait` seconds."""
    with connection.transaction():
        # A role may have read-only transactions, and dates in a style that psycopg does not read.
        connection.execute(b"SET TRANSACTION READ WRITE; SET LOCAL DateStyle = 'ISO'", prepare=False)
        connection.execute(f"{durable()}; {limits(lock_wait)}".encode(), prepare=False)
        return connection.execute(query.encode()).fetchall()


def _latest(connection: PostgresqlConnection, schema: str) -> str:
    """Return when the views were refreshed last, or an empty text if this role cannot read it."""
    table = f"{quoted(schema)}.key_view_refreshes"
    allowed = "SELECT pg_catalog.has_table_privilege(%s, 'SELECT')"
    if connection.execute(allowed, (table,)).fetchone() != (True,):
        return ""
    [(latest,)] = _rows(connection, f"SELECT max(refreshed_at)::text FROM {table}", LOCK_WAIT_SECONDS)
    return str(latest)


def _holder(connection: PostgresqlConnection, schema: str) -> str:
    view = f"{quoted(schema)}.key_management_dashboard"  # refreshed first, and locked until the transaction ends
    return described(next(iter(_rows(connection, refreshing(view), LOCK_WAIT_SECONDS)), None))


def _count_use(connection: sqlite3.Connection) -> Refreshed:
    cursor = connection.cursor()
    tables = "SELECT count(*) FROM main.sqlite_master WHERE type = 'table' AND name IN ('key_masters', 'key_versions')"
    if cursor.execute(tables).fetchone()[0] != 2:
        raise RotationError(
            "there is no table key_masters: upgrade the database (kms-schema upgrade)", reason="refresh"
        )
    try:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute(_COUNT_USE)
        changed = cursor.rowcount
        cursor.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise
    return Refreshed(keys=changed)
