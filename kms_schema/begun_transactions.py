"""Transactions that have begun: those of SQLite of a thread or a task, which must not wait for them itself.

And the lock timeout with which those of PostgreSQL begin.
"""

import threading
import weakref
from contextvars import ContextVar

import sqlalchemy as sa

_Noted = tuple["weakref.ref[sa.Connection]", ...]


class _OfThread(threading.local):
    begun: _Noted = ()


_of_thread = _OfThread()
_of_task: ContextVar[_Noted] = ContextVar("kms_schema_begun", default=())
"""The connections on which each thread, or each task, began transactions of SQLite."""


def note_begun(connection: sa.Connection) -> None:
    """Note that this thread or task has begun a transaction. Raises nothing."""
    begun = (*(weakref.ref(each) for each in _begun(connection.dialect)), weakref.ref(connection))
    if connection.dialect.is_async:
        _of_task.set(begun)
    else:
        _of_thread.begun = begun


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
