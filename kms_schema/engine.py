"""Engines as the schema needs them."""

import random
import sqlite3
import time
from typing import Any

import sqlalchemy as sa

from kms_schema.database_url import parse_database_url

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite connection waits for another's write transaction, in milliseconds."""

SWITCH_SECONDS = 2
"""How long a connection tries to have a file's first use of the write-ahead log for itself."""

BEGIN_OPTION = "kms_sqlite_begin"
"""The execution option of a connection that says how SQLite begins: `BEGIN`, or `BEGIN IMMEDIATE` to write first."""


def create_engine(url: str | sa.URL, **options: Any) -> sa.Engine:
    """Return a SQLAlchemy engine for `url` (`postgres://` and `postgresql://` mean psycopg 3).

    SQLite connections enforce foreign keys, fire triggers for rows that REPLACE deletes, use write-ahead logging,
    and run DDL inside transactions; those of PostgreSQL speak UTF-8, whatever the database is stored in. `options` go
    to `sqlalchemy.create_engine`. Raises `DatabaseUrlError` for a URL that makes no sense. The rules of the schema do
    not depend on these settings; see the guards in `kms_schema/sql/sqlite`.
    """
    target = _sqlalchemy_url(url) if isinstance(url, str) else url
    if target.drivername == "postgresql+psycopg":
        # In the encoding of an SQL_ASCII database, psycopg would hand out bytes for text.
        options["connect_args"] = {"client_encoding": "utf8", **options.get("connect_args", {})}
    engine = sa.create_engine(target, **options)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _sqlalchemy_url(url: str) -> sa.URL:
    parsed = parse_database_url(url)
    # SQLAlchemy 2.0 does not decode %23 and the like in the name of a database.
    return sa.make_url(parsed.sqlalchemy_url()).set(database=parsed.database)


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver's own transactions begin at the first INSERT, so DDL before that would survive a rollback.
    connection.isolation_level = None
    _use_write_ahead_log(connection)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file to write-ahead logging, unless others use it just now.

    SQLite refuses the switch to one of two that want it at once, without waiting for `busy_timeout`. The mode
    stays with the file, and no rule depends on it, so whoever finds the file in use by another that does
    not want it can go on without: the next connection tries again.
    """
    deadline = time.monotonic() + SWITCH_SECONDS
    connection.execute("PRAGMA busy_timeout = 0")
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        else:
            return
        if time.monotonic() > deadline:
            return
        time.sleep(random.uniform(0.005, 0.02))  # noqa: S311  (so that two do not meet again)


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(BEGIN_OPTION, "BEGIN"))
