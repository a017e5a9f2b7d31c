"""On SQLite, the transaction that the application has open in this thread or task: the ring counts there.

One connection writes at a time. If the ring counted on another connection while the application's session has written,
it would wait for that session, which waits for the ring. A rollback takes the counts with it, although the ciphertexts
may have left the process: they are added again at once.
"""

import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from kms_schema.engine import end_failed_commit
from kms_schema.keyring.waits import Waits

Work = Callable[[sa.Connection], None]
Result = TypeVar("Result")


@dataclass(eq=False)
class _Open:
    connection: "weakref.ref[sa.Connection]"
    """Weak: a connection that the application drops is to be collected, which is a rollback."""
    done: list[Work] = field(default_factory=list)
    """The work that a rollback takes."""
    lost: list[Work] = field(default_factory=list)
    """The work that the rollback of a savepoint has taken."""
    savepoints: list[int] = field(default_factory=list)
    """For each open savepoint, how much was done before it."""
    blocks: dict[Any, Any] = field(default_factory=dict)
    """Blocks of uses that were reserved in this transaction."""
    has_ended: bool = False
    finalizer: "weakref.finalize[Any, Any] | None" = None

    def take_back(self, again: Work) -> None:
        """Forget work that was not done after all."""
        for works in (self.done, self.lost):
            if again in works:
                works.remove(again)


class OpenTransactions:
    """Follows the transactions that an engine begins and ends. Each belongs to the thread that began it,
    or to the task and those that it starts.
    """

    def __init__(self, engine: sa.Engine, perform: Callable[[Work], None], waits: Waits) -> None:
        """Follow those of `engine`; `perform` does what was lost on a connection of the ring."""
        self._engine = engine
        self._waits = waits
        self._perform = perform
        self._hooks: dict[str, Callable[..., None]] = {
            "handle_error": self._error,
            "begin": self._begin,
            "commit": self._commit,
            "rollback": self._rollback,
            "savepoint": self._savepoint,
            "rollback_savepoint": self._rollback_savepoint,
            "release_savepoint": self._release_savepoint,
        }
        self.forget()
        for name, hook in self._hooks.items():
            sa.event.listen(engine, name, hook)

    def close(self) -> None:
        """Stop following, after a last attempt at what a rollback has taken."""
        if self.current() is None:  # else it would wait for this thread's own transaction
            self._try_to_catch_up()
        for name, hook in self._hooks.items():
            sa.event.remove(self._engine, name, hook)

    def forget(self) -> None:
        """Forget what the parent process has open."""
        self._own = self._waits.own()
        self._opens: weakref.WeakKeyDictionary[sa.Connection, _Open] = weakref.WeakKeyDictionary()
        self._missing: deque[Work] = deque()
        """The work that a rollback has taken and that could not be done again yet. Threads and finalizers add to it."""

    def current(self) -> sa.Connection | None:
        """Return the connection of the last transaction that this thread or task began and that is open, if any."""
        opened = self._last()
        return None if opened is None else opened.connection()

    def _last(self) -> _Open | None:
        stack = self._own.get()
        if not stack:
            return None
        still = tuple(each for each in stack if not each.has_ended and each.connection() is not None)
        if len(still) < len(stack):
            self._own.set(still)
        return still[-1] if still else None

    def perform(self, work: Callable[[sa.Connection], Result], again: Work) -> Result:
        """Do `work` in the current transaction, and `again` if that is rolled back. False says that nothing was done.

        In an event loop the transaction may end meanwhile, by another task: then `again` is done, too, since the work
        may be lost. A count is never too low.
        """
        opened = self._last()
        connection = None if opened is None else opened.connection()
        assert opened is not None  # noqa: S101  (the caller has asked for it, without a wait since)
        assert connection is not None  # noqa: S101
        self._catch_up_in(opened, connection)
        opened.done.append(again)  # before: a rollback that comes meanwhile does it again
        try:
            result = work(connection)
        except BaseException:
            opened.take_back(again)
            raise
        if result is False:
            opened.take_back(again)
        elif opened.has_ended:
            self._missing.append(again)
            self.catch_up()
        return result

    def _catch_up_in(self, opened: _Open, connection: sa.Connection) -> None:
        """Do again in a transaction what a rollback has taken. Raises the error of the driver if it fails."""
        while self._missing:
            try:
                again = self._missing.popleft()
            except IndexError:  # another thread does the last of it
                return
            opened.done.append(again)
            try:
                again(connection)
            except BaseException:
                opened.take_back(again)
                self._missing.append(again)
                raise

    def catch_up(self) -> None:
        """Do again what a rollback has taken, if that failed before. Raises the error of the driver if it fails."""
        if not self._missing:
            return
        missing: list[Work] = []
        while self._missing:
            with suppress(IndexError):  # another thread may do the last of it
                missing.append(self._missing.popleft())

        def again(own: sa.Connection) -> None:
            for each in missing:
                each(own)

        try:
            self._perform(again)
        except BaseException:
            self._missing.extend(missing)
            raise

    @property
    def blocks(self) -> dict[Any, Any]:
        """The blocks of uses of the current transaction; empty and kept nowhere if none is open."""
        opened = self._last()
        return {} if opened is None else opened.blocks

    def _begin(self, connection: sa.Connection) -> None:
        opened = self._opens[connection] = _Open(weakref.ref(connection))
        opened.finalizer = weakref.finalize(connection, self._collected, opened)
        opened.finalizer.atexit = False
        self._own.set((*self._own.get(), opened))

    def _collected(self, opened: _Open) -> None:
        """Take the work of a connection that was dropped within its transaction as lost: that was a rollback."""
        if not opened.has_ended:
            opened.has_ended = True
            self._missing.extend([*opened.done, *opened.lost])

    def _ended(self, connection: sa.Connection) -> _Open | None:
        """Return the transaction that ends, by whichever thread; None if it has nothing of the ring."""
        opened = self._opens.pop(connection, None)
        if opened is None:
            return None
        opened.has_ended = True
        if opened.finalizer is not None:
            opened.finalizer.detach()
        return opened if opened.done or opened.lost else None

    def _commit(self, connection: sa.Connection) -> None:
        opened = self._ended(connection)
        if opened is None:
            return
        if not getattr(connection.connection.driver_connection, "in_transaction", True):
            # SQLite has rolled it back by itself, as ON CONFLICT ROLLBACK does, without a message.
            self._missing.extend([*opened.done, *opened.lost])
            self._try_to_catch_up()
            return
        for again in opened.lost:
            again(connection)  # before the COMMIT, and part of it
        try:
            connection.connection.commit()  # now: there is no event after one that fails, as for a deferred foreign key
        except self._engine.dialect.loaded_dbapi.Error:
            self._missing.extend([*opened.done, *opened.lost])  # the COMMIT after this event raises it again: `_error`

    def _error(self, context: sa.engine.ExceptionContext) -> None:
        if context.statement is None and self._missing:
            end_failed_commit(context)  # else the ring's transaction would wait for it
            self._try_to_catch_up()

    def _rollback(self, connection: sa.Connection) -> None:
        opened = self._ended(connection)
        if opened is None:
            return
        self._missing.extend([*opened.done, *opened.lost])
        if not connection.invalidated:
            connection.connection.rollback()  # now, not after this event: the ring's transaction would wait for it
        self._try_to_catch_up()

    def _try_to_catch_up(self) -> None:
        """Catch up, if that is possible now. The next use reserves only after that is done."""
        # The statement of the application does not fail by it.
        with suppress(sa.exc.SQLAlchemyError):
            self.catch_up()

    def _find(self, connection: sa.Connection) -> _Open | None:
        return self._opens.get(connection)

    def _savepoint(self, connection: sa.Connection, _name: str | None) -> None:
        opened = self._find(connection)
        if opened is not None:
            opened.savepoints.append(len(opened.done))

    def _release_savepoint(self, connection: sa.Connection, _name: str, _context: None) -> None:
        opened = self._find(connection)
        if opened is not None and opened.savepoints:
            opened.savepoints.pop()

    def _rollback_savepoint(self, connection: sa.Connection, _name: str, _context: None) -> None:
        """Take the work since the outermost savepoint as lost: the name of one is not known when it begins.

        Work that an outer savepoint still has is counted twice then. A count is never too low.
        """
        opened = self._find(connection)
        if opened is None:
            return
        place = opened.savepoints[0] if opened.savepoints else 0
        opened.lost += opened.done[place:]
        del opened.done[place:]
        opened.savepoints[:] = [place] * (len(opened.savepoints) - 1)
        opened.blocks.clear()
