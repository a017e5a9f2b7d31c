"""The transactions of SQLite that a thread, or a task, has begun and not ended: it must not wait for them itself."""

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
