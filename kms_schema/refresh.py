"""Bring up to date what is computed ahead: the materialized views of PostgreSQL, and the lifetime use of keys.

Works on an idle connection of psycopg or `sqlite3`. On PostgreSQL the database's own function does all of it, with the
rights of the views' owner: who is allowed to call it (`kms_sealer`) needs no others.
"""

import datetime as dt
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kms_schema.identifiers import quoted

if TYPE_CHECKING:
    import psycopg


class RefreshError(Exception):
    """There is nothing to be refreshed with; the message says what to do."""


@dataclass(frozen=True)
class RefreshedView:
    """A materialized view, as of when it is now, and how long that took."""

    name: str
    as_of: dt.datetime
    milliseconds: int


@dataclass(frozen=True)
class Refreshed:
    """What was done: on PostgreSQL the views, on SQLite, whose views are never stale, the use of so many keys."""

    views: tuple[RefreshedView, ...] = ()
    keys: int | None = None

    @property
    def left_to_another(self) -> bool:
        """Whether another session was at it already, so that there was nothing to do."""
        return self.keys is None and not self.views


_COUNT_USE = """UPDATE main.key_masters
SET usage_count = (SELECT sum(usage_count) FROM main.key_versions AS version WHERE version.key_id = key_masters.id)
WHERE usage_count < (SELECT sum(usage_count) FROM main.key_versions AS version WHERE version.key_id = key_masters.id)"""


def refresh(connection: "psycopg.Connection[Any] | sqlite3.Connection", schema: str = "public") -> Refreshed:
    """Refresh what there is, and say what was done; `schema` is PostgreSQL's. Readers of the views wait for nothing.

    Any number of sessions may call this at once: one refreshes, the others return at once. Raises `RefreshError` for a
    database that is older than revision 005, and the driver's errors.
    """
    if isinstance(connection, sqlite3.Connection):
        return _count_use(connection)
    function = f"{quoted(schema)}.refresh_key_views()"
    if connection.execute("SELECT pg_catalog.to_regprocedure(%s)", (function,)).fetchone() == (None,):
        raise RefreshError(
            f"there is no {function}: bring the database up to date (kms-schema upgrade), or name its schema (--schema)"
        )
    query = f"SELECT view_name, refreshed_at, duration_ms FROM {function}"  # noqa: S608  (quoted)
    rows = connection.execute(query.encode()).fetchall()
    return Refreshed(tuple(RefreshedView(*row) for row in rows))


def _count_use(connection: sqlite3.Connection) -> Refreshed:
    cursor = connection.cursor()
    tables = "SELECT count(*) FROM main.sqlite_master WHERE type = 'table' AND name IN ('key_masters', 'key_versions')"
    if cursor.execute(tables).fetchone()[0] != 2:
        raise RefreshError("there are no keys here: bring the database up to date (kms-schema upgrade)")
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
