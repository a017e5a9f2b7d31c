"""One upgrade at a time: Alembic itself has no lock (sqlalchemy/alembic#633)."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa

from kms_schema.database.lock_holders import TABLES, UPGRADE, described
from kms_schema.database.lock_keys import LOCK_KEY
from kms_schema.database.messages import LOCKED, is_busy, sqlstate_of
from kms_schema.engine import BEGIN_OPTION
from kms_schema.migrate.faults import WHEN_IT_HAS_ENDED, CannotMigrateError
from kms_schema.migrate.proxy import refuse_shared_processes
from kms_schema.migrate.session import PostgresqlSession

POLL_SECONDS = 0.2
WHAT_TO_DO = "wait for it to end, or allow more with -x lock-wait=SECONDS"
_END_IT = 'end it if it is no upgrade (page "operations" of the documentation), '

_TIMEOUTS = (
    "'lock_timeout', 'statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout',"
    " 'idle_session_timeout'"
)

log: logging.Logger = logging.getLogger("alembic.runtime.migration")


def one_upgrade_at_a_time(
    connection: sa.Connection, *, wait_seconds: float, lock_timeout_ms: int
) -> AbstractContextManager[None]:
    """Let one upgrade of a database run the block at a time; `connection` must not be in a transaction.

    On PostgreSQL the block runs under a session's advisory lock, with `lock_timeout` set to `lock_timeout_ms`
    milliseconds and no other timeout, in transactions of its own. These are READ COMMITTED: a revision checks again
    rows that others have written, after it has waited for them. On SQLite it runs in one transaction, which holds the
    file's write lock. A transaction that the block leaves open is committed, or rolled back if the block raises. A
    waiter logs which session it waits for.

    Raises `CannotMigrateError`: with the reason `locked` after `wait_seconds`, and at once behind a proxy that gives
    each statement to another server process, where no client owns a session's lock.
    """
    if connection.dialect.name == "sqlite":
        return _alone_on_sqlite(connection, wait_seconds)
    return _alone_on_postgresql(connection, wait_seconds, lock_timeout_ms)


def _poll(
    attempt: Callable[[], bool], wait_seconds: float, waiting: Callable[[], str], late: Callable[[], str]
) -> None:
    """Repeat `attempt` until it succeeds; log `waiting` once, or raise the error with `late` at the end."""
    deadline = time.monotonic() + wait_seconds
    logged = False
    while not attempt():
        left = deadline - time.monotonic()
        if left <= 0:
            raise CannotMigrateError(late(), reason="locked")
        if not logged:
            log.warning("%s", waiting())
            logged = True
        time.sleep(min(POLL_SECONDS, left))


@contextmanager
def _alone_on_postgresql(connection: sa.Connection, wait_seconds: float, lock_timeout_ms: int) -> Iterator[None]:
    """Hold the advisory lock.

    Waiters poll with no transaction open: one that waits inside `pg_advisory_lock()` has a snapshot that
    `CREATE INDEX CONCURRENTLY` of the lock's holder waits for, and neither ever ends.
    """
    refuse_shared_processes(connection)
    session = PostgresqlSession(connection)
    isolation = _isolation_of(connection)
    if isolation == "AUTOCOMMIT":
        _keep_autocommit_of_driver(connection)
    try:
        _poll(
            lambda: bool(session.value(f"SELECT pg_catalog.pg_try_advisory_lock({LOCK_KEY})")),
            wait_seconds,
            waiting=lambda: (
                f"another session{_holder(session)} holds the lock of upgrades: waiting up to {wait_seconds:g} seconds"
            ),
            late=lambda: (
                f"another session{_holder(session)} has held the lock of upgrades for {wait_seconds:g} seconds:"
                f" {_END_IT}{WHAT_TO_DO}"
            ),
        )
        timeouts = _timeouts(session)
        _set(session, {**dict.fromkeys(timeouts, "0"), "lock_timeout": str(lock_timeout_ms)})
    except session.driver_error as error:
        raise CannotMigrateError(
            f"the server ended the wait for the upgrade's lock: {str(error).strip()}", reason="locked"
        ) from error
    try:
        connection.execution_options(isolation_level="READ COMMITTED")
        yield
        connection.commit()
    except sa.exc.DBAPIError as error:
        if (late := locked(connection, error.orig)) is None:
            raise
        raise late from error
    finally:
        if not connection.closed and not connection.invalidated:
            connection.rollback()  # ends a transaction that an error left open; the rest is committed by now
            connection.execution_options(isolation_level=isolation)
            _unlock(session, timeouts)


def _isolation_of(connection: sa.Connection) -> Any:
    """Return the isolation level of the connection, also if the driver or the server has set it."""
    driver: Any = connection.connection.dbapi_connection
    if driver.autocommit:
        return "AUTOCOMMIT"
    level = connection.get_isolation_level()
    connection.rollback()
    driver.rollback()  # some drivers have begun a transaction, which SQLAlchemy does not know
    return level


def _keep_autocommit_of_driver(connection: sa.Connection) -> None:
    """Let the pool get the connection back in AUTOCOMMIT, if the driver was given it, or the engine.

    SQLAlchemy sets the level of the engine at the end, where a level was set in between; it knows nothing of the
    driver's setting. Its callbacks are called from the last to the first.
    """
    record = getattr(connection.connection, "_connection_record", None)
    if record is not None and "isolation_level" not in connection.get_execution_options():
        record.finalize_callback.appendleft(lambda driver: setattr(driver, "autocommit", True))


def _timeouts(session: PostgresqlSession) -> dict[str, str]:
    """Return the timeouts of the session in milliseconds, as far as this version of the server has them.

    The role or the database may have them for applications. An index of a large table takes longer than any statement
    of these, each time that the upgrade is run again.
    """
    query = f"SELECT string_agg(name || '=' || setting, ' ') FROM pg_settings WHERE name IN ({_TIMEOUTS})"  # noqa: S608
    (found,) = session.catalog_row(query) or ("",)
    return dict(each.split("=") for each in str(found).split())


def _set(session: PostgresqlSession, timeouts: Mapping[str, str]) -> None:
    settings = (f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in timeouts.items())
    session.value(f"SELECT {', '.join(settings)}")


def _unlock(session: PostgresqlSession, timeouts: Mapping[str, str]) -> None:
    """Release the lock, and restore the session's timeouts."""
    try:
        _set(session, timeouts)
        session.value(f"SELECT pg_catalog.pg_advisory_unlock({LOCK_KEY})")
    except session.driver_error:
        if not session.closed:  # a session that has ended holds no lock, and everything was committed before
            raise


def locked(connection: sa.Connection, error: BaseException | None) -> CannotMigrateError | None:
    """Return the error for a table that was locked for too long, with the sessions that lock it; None if not known.

    `error` is the driver's. The transaction of `connection` ends. Some errors name the sessions already.
    """
    if sqlstate_of(error) != LOCKED or "could not be locked" in str(error):
        return None
    connection.rollback()
    holder = _holder(PostgresqlSession(connection), TABLES)
    message = f"{str(error).splitlines()[0]}; another session{holder} has the lock: {WHEN_IT_HAS_ENDED}"
    return CannotMigrateError(message, reason="locked") if holder else None


def _holder(session: PostgresqlSession, query: str = UPGRADE) -> str:
    """Return the session that holds a lock, of upgrades if not of `query`, in brackets; empty if none is visible."""
    try:
        return described(session.catalog_row(query))
    except session.driver_error:
        return ""  # some servers revoke SELECT on these views


@contextmanager
def _alone_on_sqlite(connection: sa.Connection, wait_seconds: float) -> Iterator[None]:
    """Hold the file's write lock, in a transaction.

    SQLite itself would wait without a message, for `busy_timeout`.
    """
    file = connection.engine.url.database
    before = _pragma(connection, "busy_timeout")
    _pragma(connection, "busy_timeout = 0")
    try:
        _poll(
            lambda: _began_to_write(connection),
            wait_seconds,
            waiting=lambda: f"another process is writing to {file}: waiting up to {wait_seconds:g} seconds",
            late=lambda: f"another process has been writing to {file} for {wait_seconds:g} seconds: {WHAT_TO_DO}",
        )
    finally:
        _pragma(connection, f"busy_timeout = {before}")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _pragma(connection: sa.Connection, pragma: str) -> Any:
    """Run a PRAGMA without SQLAlchemy, which would begin a transaction; return its value."""
    driver: Any = connection.connection.dbapi_connection  # of an asynchronous driver SQLAlchemy's adapter
    cursor = driver.cursor()
    try:
        cursor.execute(f"PRAGMA {pragma}")
        row = cursor.fetchone()
    finally:
        cursor.close()
    return row and row[0]


def _began_to_write(connection: sa.Connection) -> bool:
    """Begin a transaction that holds the write lock, unless another one holds it."""
    before = connection.get_execution_options().get(BEGIN_OPTION, "BEGIN")
    connection.execution_options(**{BEGIN_OPTION: "BEGIN IMMEDIATE"})
    try:
        connection.begin()
        # An engine that is not from `kms_schema.engine` leaves it to the driver, which begins at the first INSERT
        # and runs all DDL before that outside of any transaction.
        if not _in_transaction(connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    except sa.exc.OperationalError as error:
        connection.rollback()
        if not is_busy(error):
            raise
        return False
    finally:
        connection.execution_options(**{BEGIN_OPTION: before})
    return True


def _in_transaction(connection: sa.Connection) -> bool:
    driver: Any = connection.connection.driver_connection
    return bool(driver.in_transaction)
