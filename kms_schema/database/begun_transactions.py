"""The open SQLite transactions of a thread or a task. It must not wait for its own transactions.

Those that follow the transactions of an engine, and the lock timeout with which those of PostgreSQL begin.
"""

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa

from kms_schema.database.forks import SqliteConnection, used_by_this_thread
from kms_schema.database.messages import is_busy

SQLITE_BEGIN: Final = "kms_sqlite_begin"
OWN_WAIT_MS: Final = 1_000
"""How long a thread waits that may wait for itself: the other transaction may have only read, after one that wrote."""
LOCKED_BY_ITSELF: Final = (
    "database is locked by this thread, which has written on another connection to the file: end that transaction first"
)

_Noted = tuple["weakref.ref[sa.Connection]", ...]


class _OfThread(threading.local):
    begun: _Noted = ()


_of_thread = _OfThread()
_of_task: ContextVar[_Noted] = ContextVar("kms_schema_begun", default=())
"""The connections on which each thread, or each task, began transactions of SQLite."""


def begin_sqlite(connection: sa.Connection) -> None:
    """Begin a transaction, and note it as of this thread or task: the listener of `begin` of engines of SQLite.

    Raises `sqlalchemy.exc.OperationalError` where the file is locked. That takes no half minute where another
    connection of this thread has written, since the thread would wait for itself. Connections of an event loop are not
    asked: other tasks of its thread go on meanwhile.
    """
    statement = connection.get_execution_options().get(SQLITE_BEGIN, "BEGIN")
    driver = connection.connection.dbapi_connection
    if isinstance(driver, SqliteConnection):
        is_writing = statement != "BEGIN"
        others = [each for each in used_by_this_thread() if each is not driver] if is_writing else []
        if any(each.has_written() and _file_of(each).samefile(_file_of(driver)) for each in others):
            _begin_briefly(connection, statement)
        else:
            connection.exec_driver_sql(statement)
        driver.changes_before = -1 if is_writing else driver.total_changes
    else:
        connection.exec_driver_sql(statement)
    begun = (*(weakref.ref(each) for each in _begun(connection.dialect)), weakref.ref(connection))
    if connection.dialect.is_async:
        _of_task.set(begun)
    else:
        _of_thread.begun = begun


def _begin_briefly(connection: sa.Connection, statement: str) -> None:
    with waiting_at_most(connection, OWN_WAIT_MS):
        try:
            connection.exec_driver_sql(statement)
        except sa.exc.OperationalError as error:
            if not is_busy(error):
                raise
            busy = sqlite3.OperationalError(LOCKED_BY_ITSELF)
            busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise sa.exc.OperationalError(statement, None, busy) from None


def _file_of(connection: sqlite3.Connection) -> Path:
    with closing(connection.cursor()) as cursor:
        return Path(cursor.execute("PRAGMA database_list").fetchone()[2])


@contextmanager
def waiting_at_most(connection: sa.Connection, milliseconds: int) -> Iterator[None]:
    """Have SQLite refuse statements that wait longer for another connection, which writes. Raises nothing.

    waiting_at_most(connection, 0)  # they are refused at once
    """
    before = _set_timeout(connection, milliseconds)
    try:
        yield
    finally:
        if before is not None:
            _set_timeout(connection, before)


def _set_timeout(connection: sa.Connection, milliseconds: int) -> int | None:
    """Set how long a statement waits, and return how long it did; None for a connection that is unusable."""
    errors = (connection.dialect.loaded_dbapi.Error, sa.exc.SQLAlchemyError)
    with suppress(*errors), closing(connection.connection.cursor()) as cursor:
        cursor.execute("PRAGMA busy_timeout")
        before: int = cursor.fetchall()[0][0]
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
        return before
    return None


def _begun(dialect: sa.engine.Dialect) -> list[sa.Connection]:
    noted = _of_task.get() if dialect.is_async else _of_thread.begun
    return [found for each in noted if (found := each()) is not None and not found.closed and found.in_transaction()]


def begun(engine: sa.Engine) -> list[sa.Connection]:
    """Return the connections on which this thread, or task, has a transaction open, of an engine that is configured.

    engine: one of SQLite, as `create_engine` and `configure` make it. Raises nothing. Example::

        if begun(engine):
            ...  # a second transaction that writes would wait for this thread
    """
    return [each for each in _begun(engine.dialect) if each.engine.pool is engine.pool]


class Follower(Protocol):
    """Is told each transaction of an engine, by the events of SQLAlchemy with these names."""

    def begin(self, connection: sa.Connection) -> None:
        """Record the beginning of a transaction."""

    def commit(self, connection: sa.Connection) -> None:
        """Record that a transaction is about to be committed."""

    def rollback(self, connection: sa.Connection) -> None:
        """Record that a transaction is about to be rolled back."""

    def execute(self, connection: sa.Connection) -> None:
        """A statement is about to be executed, by this thread."""

    def handle_error(self, context: sa.engine.ExceptionContext) -> None:
        """A statement or a COMMIT has failed."""


class _Followers:
    """The followers of one engine, in a tuple that is replaced.

    SQLAlchemy's own list of listeners must not change while other threads use the engine: their statements would fail.
    """

    def __init__(self) -> None:
        self.all: tuple[Follower, ...] = ()

    def begin(self, connection: sa.Connection) -> None:
        for each in self.all:
            each.begin(connection)

    def commit(self, connection: sa.Connection) -> None:
        for each in self.all:
            each.commit(connection)

    def rollback(self, connection: sa.Connection) -> None:
        for each in self.all:
            each.rollback(connection)

    def before_execute(self, connection: sa.Connection, *_: object) -> None:
        for each in self.all:
            each.execute(connection)

    def handle_error(self, context: sa.engine.ExceptionContext) -> None:
        for each in self.all:
            each.handle_error(context)


_followers: "weakref.WeakKeyDictionary[sa.Engine, weakref.ref[_Followers]]" = weakref.WeakKeyDictionary()
"""The open transactions by engine. The listeners of an engine hold its entry, which ends with the engine."""
_following = threading.Lock()


def let_follow(engine: sa.Engine) -> None:
    """Let listeners follow the transactions of `engine`, before other threads use it. Raises nothing."""
    with _following:
        _of_engine(engine)


def follow(engine: sa.Engine, follower: Follower) -> None:
    """Have `follower` told the transactions of `engine`. Other threads may use it meanwhile, after `let_follow`.

    Raises nothing. Example::

        follow(engine, follower)
    """
    with _following:
        followers = _of_engine(engine)
        followers.all = (*followers.all, follower)


def unfollow(engine: sa.Engine, follower: Follower) -> None:
    """End what `follow` began. Raises nothing."""
    with _following:
        followers = _of_engine(engine)
        followers.all = tuple(each for each in followers.all if each is not follower)


def _of_engine(engine: sa.Engine) -> _Followers:
    while isinstance(engine, sa.engine.base.OptionEngine):  # of the same pool: its transactions are told here, too
        engine = engine._proxied
    noted = _followers.get(engine)
    if noted is not None and (known := noted()) is not None:
        return known
    followers = _Followers()
    for name in ("begin", "commit", "rollback", "before_execute", "handle_error"):
        sa.event.listen(engine, name, getattr(followers, name))
    _followers[engine] = weakref.ref(followers)
    return followers


LOCK_TIMEOUT = "kms_lock_timeout_ms"
"""The execution option of an engine of `limit_lock_waits`."""


def limit_lock_waits(engine: sa.Engine, milliseconds: int | None) -> None:
    """Have each transaction of `engine`, one of PostgreSQL, wait at most so long for a lock; None changes nothing.

    It sets nothing of the session: behind a proxy that pools transactions, others get that. Engines of
    `engine_of_its_own` do the same. Raises nothing. Example::

        limit_lock_waits(engine, 10_000)
    """
    if milliseconds is None:
        return
    engine.update_execution_options(**{LOCK_TIMEOUT: milliseconds})
    statement = f"SET LOCAL lock_timeout = {milliseconds:d}"
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(statement))


def end_failed_commit(context: sa.engine.ExceptionContext) -> None:
    """Roll back a transaction of SQLite whose COMMIT failed, such as for a deferred foreign key.

    SQLite leaves it open, with the write lock of the file, although SQLAlchemy takes it as ended. `context` is the
    argument of the event `handle_error`. Raises nothing of its own.
    """
    connection = context.connection
    if connection is None or context.statement is not None or connection.invalidated:  # a COMMIT is no statement there
        return
    if getattr(connection.connection.driver_connection, "in_transaction", False):
        with suppress(connection.dialect.loaded_dbapi.Error):
            connection.connection.rollback()
