"""SQLAlchemy engines with the settings that the schema needs."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.util import await_only

from kms_schema.database import forks
from kms_schema.database.begun_transactions import (
    LOCK_TIMEOUT,
    SQLITE_BEGIN,
    begin_sqlite,
    end_failed_commit,
    let_follow,
    limit_lock_waits,
)
from kms_schema.database.lock_holders import durable
from kms_schema.database.messages import is_busy
from kms_schema.database.pinned_path import IS_DURABLE, is_pinned, listen_to_begin
from kms_schema.database.url import parse_database_url

BUSY_TIMEOUT_MS = 30_000
"""Milliseconds that a SQLite connection waits for the write transaction of another."""

SWITCH_SECONDS = 2
"""Seconds in which a connection tries to switch a file to the write-ahead log."""

BEGIN_OPTION: Final = SQLITE_BEGIN
"""The execution option of a connection for SQLite's first statement: `BEGIN`, or `BEGIN IMMEDIATE` before writing."""

_SYNCHRONOUS_FULL = 2
"""The level of SQLite at which a crash of the machine takes no transaction."""
_READ_COMMITTED: Final = "READ COMMITTED"
_IS_READ_COMMITTED = "kms_is_read_committed"
"""The execution option of an engine whose connections have that level from the first moment on."""


def create_engine(url: str | sa.URL, **options: Any) -> sa.Engine:
    """Return a SQLAlchemy engine for `url`; `postgres://` and `postgresql://` use psycopg 3.

    SQLite connections enforce foreign keys, fire triggers for rows that REPLACE deletes, use write-ahead logging, and
    run DDL inside transactions. PostgreSQL connections use UTF-8, whatever the encoding of the database, and dates in
    the style ISO, the only one that psycopg reads. The rules of the schema do not depend on these settings: the guard
    triggers in `kms_schema/sql/sqlite` enforce them without.

    - `url`: a URL as text, in any form that `parse_database_url` accepts, or SQLAlchemy's
    - `options`: arguments of `sqlalchemy.create_engine`

    Raises `DatabaseUrlError` for a text that is not a usable URL.

    ```python
    engine = create_engine("postgresql://kms@localhost/kms", pool_size=5)
    ```
    """
    target = _sqlalchemy_url(url) if isinstance(url, str) else url
    if target.drivername == "postgresql+psycopg":
        # In the encoding SQL_ASCII, psycopg would return bytes instead of text.
        # A proxy that pools transactions gives each to another session, which has no statements that one prepared.
        arguments: dict[str, Any] = {"client_encoding": "utf8", "prepare_threshold": None}
        if isinstance(url, str) and "prepare_threshold" in target.query:  # SQLAlchemy would give psycopg a text
            arguments["prepare_threshold"] = parse_database_url(url).prepare_threshold
            target = target.difference_update_query(["prepare_threshold"])
        options["connect_args"] = arguments | options.get("connect_args", {})
    engine = sa.create_engine(target, **options)
    configure(engine)
    if target.drivername == "postgresql+psycopg":
        sa.event.listen(engine, "connect", _use_iso_dates)
    return engine


def configure(engine: sa.Engine) -> None:
    """Give the connections that `engine` will open the settings of `create_engine`; PostgreSQL's need none.

    For an engine that has no connections yet; for an asynchronous engine, give its `sync_engine`. Raises nothing of its
    own.
    """
    _configure(engine)
    if engine.dialect.name == "sqlite":
        let_follow(engine)


def _configure(engine: sa.Engine) -> None:
    """Do it for an engine that no ring follows, such as one of a ring's own."""
    if engine.dialect.name == "sqlite":
        forks.follow(engine)
        pause = _pause_in_event_loop if engine.dialect.is_async else time.sleep
        sa.event.listen(engine, "connect", partial(_configure_sqlite, pause=pause))
        sa.event.listen(engine, "begin", begin_sqlite)
        sa.event.listen(engine.dialect, "handle_error", end_failed_commit)  # once for all engines of the dialect


def engine_of_its_own(engine: sa.Engine) -> sa.Engine:
    """Return an engine for the same database with connections of its own.

    It has the credentials, the lock timeout, and the pool with its hooks as of `engine`, and hides the parameters of
    statements in errors. A database in the memory of one connection has no other: then the result is `engine`.
    """
    if isinstance(engine.pool, sa.pool.StaticPool | sa.pool.SingletonThreadPool):
        return engine
    own = sa.Engine(engine.pool.recreate(), engine.dialect, engine.url, hide_parameters=True)
    _configure(own)
    if engine.dialect.driver == "psycopg":  # prepares none, as those of `create_engine`
        sa.event.listen(
            own, "connect", lambda each, _: setattr(getattr(each, "driver_connection", each), "prepare_threshold", None)
        )
    limit_lock_waits(own, engine.get_execution_options().get(LOCK_TIMEOUT))
    return own


def at_read_committed(engine: sa.Engine) -> sa.Engine:
    """Return an engine of the same pool whose transactions are at READ COMMITTED; on SQLite `engine` itself.

    One of `open_at_read_committed` has that level already. Raises nothing. Example::

        with Session(at_read_committed(engine)) as session: ...
    """
    if engine.dialect.name != "postgresql" or engine.get_execution_options().get(_IS_READ_COMMITTED):
        return engine
    return engine.execution_options(isolation_level=_READ_COMMITTED)


def open_at_read_committed(engine: sa.Engine) -> sa.Engine:
    """Open the connections of a pool at READ COMMITTED, and return an engine of the pool with this isolation level.

    `engine` is one of PostgreSQL that nothing else uses and that has no connections yet. With the level as an option,
    SQLAlchemy sets and resets it at each use, and a task that is cancelled meanwhile loses the connection, or its place
    in the pool. Raises nothing. Example::

        own = open_at_read_committed(engine_of_its_own(engine))
    """
    sa.event.listen(engine, "connect", partial(_set_read_committed, engine.dialect))
    return engine.execution_options(**{_IS_READ_COMMITTED: True})


def committed_durably(engine: sa.Engine) -> sa.Engine:
    """Return an engine of the same pool whose transactions survive a crash of the server once they are committed.

    Where `synchronous_commit` is `off` or `local`, each transaction on PostgreSQL sets it to `on` for itself. It may be
    a setting of the server, the database, the role or the session. Of an engine of `with_pinned_path`, one statement
    does both. On SQLite the result is `engine`. Raises nothing. Example::

        with committed_durably(engine).begin() as connection: ...
    """
    if engine.dialect.name != "postgresql":
        return engine
    own, statement = engine.execution_options(**{IS_DURABLE: True}), durable()
    if not is_pinned(engine):  # else the statement that pins the path does it
        listen_to_begin(own, lambda begun: begun.exec_driver_sql(statement))
    return own


def sync_fully(connection: Any, _record: Any) -> None:
    """Have a new connection to SQLite wait for the disk at COMMIT, whatever the hooks before have set.

    A listener of `connect`, for engines of their own. Raises nothing. Example::

        sa.event.listen(engine_of_its_own(engine), "connect", sync_fully)
    """
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA synchronous")
        if cursor.fetchone()[0] < _SYNCHRONOUS_FULL:
            cursor.execute("PRAGMA synchronous = FULL")


def _set_read_committed(dialect: sa.engine.Dialect, connection: Any, _record: Any) -> None:
    dialect.set_isolation_level(connection, _READ_COMMITTED)


def synchronous_engine(engine: sa.Engine) -> sa.Engine:
    """Return an engine of `create_engine` for the URL of an asynchronous engine, over psycopg or sqlite3.

    - `engine`: an asynchronous engine's `sync_engine`. Its hooks, its `connect_args` and its pool are not taken over

    Raises `TypeError` where the URL is not enough to reach the same database: one in memory, or one with parameters of
    asyncpg. Example::

        engine = synchronous_engine(async_engine.sync_engine)
    """
    if isinstance(engine.pool, sa.pool.StaticPool | sa.pool.SingletonThreadPool):
        raise TypeError("a database in memory has no other connection: use a file")
    url = engine.url
    if engine.dialect.driver == "asyncpg" and (own := sorted(url.query.keys() - {"host", "port"})):
        raise TypeError(f"the URL has parameters of asyncpg, such as {own[0]}: make an engine of psycopg with its own")
    return create_engine(url.set(drivername={"postgresql": "postgresql+psycopg"}.get(engine.dialect.name, "sqlite")))


def autocommit_of(connection: Any) -> bool | None:
    """Return `autocommit` of a driver's connection to SQLite, which Python has from 3.12 on; None where it is not used.

    connection: a DBAPI connection of SQLAlchemy's, over sqlite3 or aiosqlite. With True the driver's commit does
    nothing, and with False a transaction is always open. Raises nothing of its own. Example::

        autocommit_of(connection.connection.dbapi_connection)
    """
    found = _on_driver(connection, lambda driver: getattr(driver, "autocommit", None))
    return found if isinstance(found, bool) else None


def _on_driver(connection: Any, work: Callable[[Any], Any]) -> Any:
    """Return what `work` returns of the connection of sqlite3, in the thread that it belongs to."""
    if hasattr(connection, "run_async"):
        return connection.run_async(lambda each: each._execute(work, each._conn))
    return work(connection)


def _end_autocommit(driver: Any) -> None:
    driver.autocommit = True  # ends the transaction that False keeps open
    driver.autocommit = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, which Python has from 3.12 on


def _sqlalchemy_url(url: str) -> sa.URL:
    parsed = parse_database_url(url)
    # SQLAlchemy 2.0 does not decode %23 and the like in the name of a database, and 2.1 does so in that of a file.
    return sa.make_url(parsed.sqlalchemy_url()).set(database=parsed.database)


def _use_iso_dates(connection: Any, _record: Any) -> None:
    """Set the style of dates to ISO where the role, the database or the client has another style."""
    if not (connection.info.parameter_status("DateStyle") or "ISO").startswith("ISO"):
        with connection.transaction():
            connection.execute(b"SET DateStyle = 'ISO'", prepare=False)


def _pause_in_event_loop(seconds: float) -> None:
    await_only(asyncio.sleep(seconds))


def _configure_sqlite(connection: sqlite3.Connection, _record: Any, *, pause: Callable[[float], None]) -> None:
    if autocommit_of(connection) is not None:
        _on_driver(connection, _end_autocommit)
    # The driver would begin transactions at the first INSERT, so earlier DDL would survive a rollback.
    connection.isolation_level = None
    _use_write_ahead_log(connection, pause)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")


def _use_write_ahead_log(connection: sqlite3.Connection, pause: Callable[[float], None]) -> None:
    """Switch the file to write-ahead logging, unless another connection is using it.

    If two connections switch at once, SQLite refuses one of them without waiting for `busy_timeout`. The mode is stored
    in the file, and no rule depends on it. So a connection goes on without it if the file stays in use; the next
    connection tries again.
    """
    deadline = time.monotonic() + SWITCH_SECONDS
    connection.execute("PRAGMA busy_timeout = 0")
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
        else:
            return
        if time.monotonic() > deadline:
            return
        pause(random.uniform(0.005, 0.02))  # noqa: S311  (jitter, not a secret)


_LAST_MADE = {
    "postgresql": "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t"
    " JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) t.tgrelid"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " WHERE n.nspname OPERATOR(pg_catalog.=) CAST(:schema AS pg_catalog.name)"
    " AND c.relname OPERATOR(pg_catalog.=) 'key_masters'"
    " AND t.tgname OPERATOR(pg_catalog.=) 'audit_key_master_insert')",
    "sqlite": "SELECT :schema IS NOT NULL AND EXISTS (SELECT 1 FROM main.sqlite_master"
    " WHERE type = 'trigger' AND name = 'audit_key_master_insert')",
}
"""A trigger of the newest revision is there or not. Everybody may read the catalog, not every role a version table."""

BELOW_HEAD = (
    "the database is below the newest revision of this package, where keys would not be recorded, or would stop the"
    " upgrade: run kms-schema upgrade first"
)


def is_at_head(connection: sa.Connection, schema: str) -> bool:
    """Return whether the tables in `schema` are at the newest revision of this package, or at a newer revision.

    A newer revision keeps the rules of the older ones; the rules that it adds refuse statements by themselves. Raises
    the errors of the driver. Example::

        if not is_at_head(connection, "public"):
            raise SystemExit(BELOW_HEAD)
    """
    return bool(connection.scalar(sa.text(_LAST_MADE[connection.dialect.name]), {"schema": schema}))
