"""On SQLite, the transaction that the application has open in this thread or task: the ring counts there.

One connection writes at a time. If the ring counted on another connection while the application's session has written,
it would wait for that session, which waits for the ring. A rollback takes the counts with it, although the ciphertexts
may have left the process: they are added again at once.
"""

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import sqlalchemy as sa

from kms_schema.database.begun_transactions import begun, end_failed_commit, follow, unfollow, waiting_at_most
from kms_schema.database.messages import is_busy
from kms_schema.keyring.database.rollback_marks import (
    Open,
    Work,
    find_lost,
    forget_all,
    join,
    next_mark,
    set_mark,
    set_start,
    undo_all_else,
)
from kms_schema.keyring.waiting.waits import Waits

Result = TypeVar("Result")


_FOLLOWING: "weakref.WeakSet[OpenTransactions]" = weakref.WeakSet()


class OpenTransactions:
    """Follows the transactions that an engine begins and ends. Each belongs to the thread that began it,
    or to the task and those that it starts.
    """

    def __init__(self, engine: sa.Engine, perform: Callable[[Work], None], waits: Waits) -> None:
        """Follow those of `engine`; `perform` does what was lost on a connection of the ring, also of a closed one."""
        self._engine = engine
        self._waits = waits
        self._perform = perform
        self._is_closed = False
        self._begin_empty()
        follow(engine, self)
        _FOLLOWING.add(self)
        for connection in begun(engine):  # before the ring was made: it must not wait for this thread's transaction
            self._note(connection)

    def close(self) -> None:
        """Stop following, after a last attempt to repeat the work that a rollback has undone.

        A transaction that is open and in which the ring has counted is followed to its end: it may be rolled back.
        """
        self._is_closed = True
        if self.current() is None:  # else it would wait for this thread's own transaction
            self._try_to_catch_up()
        if not self._missing and not any(opened.all() for opened in self._opens.values()):
            unfollow(self._engine, self)

    def forget(self) -> None:
        """Forget the transactions that the parent process has open."""
        forget_all()
        self._begin_empty()

    def _begin_empty(self) -> None:
        self._process = os.getpid()
        self._own = self._waits.own()
        self._opens: weakref.WeakKeyDictionary[sa.Connection, Open] = weakref.WeakKeyDictionary()
        self._missing: deque[Work] = deque()
        """The work that a rollback has taken and that could not be done again yet. Threads and finalizers add to it."""

    def end_with_process(self) -> None:
        """Do again what ends with the process: the transactions of this thread, and of threads that have ended.

        Those of threads that run on may be committed yet, by them only.
        """
        if os.getpid() != self._process:
            return
        for connection, opened in list(self._opens.items()):
            if opened.all() and (opened.thread is threading.current_thread() or not opened.thread.is_alive()):
                self.rollback(connection)
        self._try_to_catch_up()

    def current(self) -> sa.Connection | None:
        """Return the connection of the last transaction that this thread or task began and that is open, if any."""
        still = self._still_open()
        return still[-1].connection() if still else None

    def _still_open(self) -> tuple[Open, ...]:
        stack = self._own.get()
        me = threading.current_thread()
        still = tuple(
            each for each in stack if not each.has_ended and each.thread is me and each.connection() is not None
        )
        if len(still) < len(stack):
            self._own.set(still)
        return still

    def perform(self, work: Callable[[sa.Connection], Result], again: Work) -> tuple[Result] | None:
        """Do `work` in the current transaction, and `again` if that is rolled back. False says that nothing was done.

        Returns None if this thread or task has no transaction open that can write now: then nothing waits for it.
        In an event loop the transaction may end meanwhile, by another task: then `again` is done, too, since the work
        may be lost. A count is never too low.
        """

        def do(opened: Open, connection: sa.Connection) -> Result:
            self._catch_up_in(opened, connection)
            return self._do(opened, connection, work, again)

        return self._in_one(do)

    def _in_one(self, do: Callable[[Open, sa.Connection], Result]) -> tuple[Result] | None:
        """Return what `do` returns in the last transaction in which it is not refused, as all are but one that has
        written, while another connection writes.
        """
        for opened in reversed(self._still_open()):
            connection = opened.connection()
            if connection is None:
                continue
            with opened.turn.held():  # else a mark would be missing that another task is about to leave
                find_lost(connection)
                self._missing.extend(opened.lost)
                opened.lost.clear()
                try:
                    with waiting_at_most(connection, 0):  # it would wait for another one of this thread
                        return (do(opened, connection),)
                except sa.exc.OperationalError as error:
                    if not is_busy(error):
                        raise
        return None

    def _do(
        self, opened: Open, connection: sa.Connection, work: Callable[[sa.Connection], Result], again: Work
    ) -> Result:
        mark = next_mark()
        opened.done[mark] = again  # before: a rollback that comes meanwhile does it again
        try:
            result = work(connection)
            if result is not False:
                set_mark(connection, mark)
        except BaseException:
            opened.done.pop(mark, None)
            raise
        if result is False:
            opened.done.pop(mark, None)
        elif opened.has_ended:
            self._missing.append(again)
            self.catch_up()
        return result

    def _catch_up_in(self, opened: Open, connection: sa.Connection) -> None:
        """Do again in a transaction what a rollback has taken. Raises the error of the driver if it fails."""
        while self._missing:
            try:
                again = self._missing.popleft()
            except IndexError:  # another thread does the last of it
                return
            try:
                self._do(opened, connection, again, again)
            except BaseException:
                self._missing.append(again)
                raise

    def catch_up(self) -> None:
        """Repeat the work that a rollback has undone, after a failed attempt. Raises the error of the driver."""
        if not self._missing or self._in_one(self._catch_up_in) is not None:
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
        still = self._still_open()
        return still[-1].blocks if still else {}

    def begin(self, connection: sa.Connection) -> None:
        """Note a transaction that begins, as of this thread or task."""
        if not self._is_closed:
            set_start(connection)
            self._note(connection)

    def execute(self, connection: sa.Connection) -> None:
        """Take a transaction as one of this thread, which goes on with it: a session may pass from one to another."""
        opened, me = self._opens.get(connection), threading.current_thread()
        if opened is not None and opened.thread is not me:
            opened.thread = me
            self._own.set((*self._own.get(), opened))

    def _note(self, connection: sa.Connection) -> None:
        opened = self._opens[connection] = join(connection, self._waits.lock())
        opened.finalizer = weakref.finalize(connection, self._collected, opened)
        opened.finalizer.atexit = False
        self._own.set((*self._own.get(), opened))

    def _collected(self, opened: Open) -> None:
        """Take the work of a connection that was dropped within its transaction as lost: that was a rollback."""
        if not opened.has_ended:
            opened.has_ended = True
            self._missing.extend(opened.all())
            if self._missing:
                _OWING.add(self)

    def _ended(self, connection: sa.Connection) -> Open | None:
        """Return the transaction that ends, by whichever thread; None if it has nothing of the ring."""
        opened = self._opens.pop(connection, None)
        if opened is None:
            return None
        opened.has_ended = True
        if opened.finalizer is not None:
            opened.finalizer.detach()
        return opened if opened.all() else None

    def commit(self, connection: sa.Connection) -> None:
        """Commit now, so that the rest of the ring's work waits for nothing."""
        opened = self._ended(connection)
        if opened is None:
            return
        find_lost(connection)
        try:
            for again in opened.lost:
                again(connection)  # before the COMMIT, and part of it
        except sa.exc.SQLAlchemyError:
            self._missing.extend(opened.lost)
            opened.lost.clear()
        try:
            connection.connection.commit()  # now: there is no event after one that fails, as for a deferred foreign key
        except self._engine.dialect.loaded_dbapi.Error:
            self._missing.extend(opened.all())  # the COMMIT after this event raises it again: `handle_error`
        else:
            self._try_to_catch_up()

    def handle_error(self, context: sa.engine.ExceptionContext) -> None:
        """Repeat the work that a failed COMMIT has undone."""
        if context.statement is None and self._missing:
            end_failed_commit(context)  # else the ring's transaction would wait for it
            self._try_to_catch_up()

    def rollback(self, connection: sa.Connection) -> None:
        """Roll back now, and repeat the work of the ring, if possible before others can write."""
        opened = self._ended(connection)
        if opened is None:
            return
        try:
            if not connection.invalidated:
                if undo_all_else(opened, connection):
                    return
                connection.connection.rollback()  # now, not after this event: the ring's transaction would wait for it
                find_lost(connection)  # a COMMIT as text has kept what was before it
            else:
                opened.keep(0)
        except self._engine.dialect.loaded_dbapi.Error:
            opened.keep(0)  # the ROLLBACK after this event raises it again
        self._missing.extend(opened.lost)
        self._try_to_catch_up()

    def _try_to_catch_up(self) -> None:
        """Catch up, if that is possible now. The next use reserves only after that is done."""
        # The statement of the application does not fail by it.
        with suppress(sa.exc.SQLAlchemyError):
            self.catch_up()


_OWING: set[OpenTransactions] = set()
"""Those that may be collected before they have done again what was lost."""


def _at_exit() -> None:
    for each in [*_FOLLOWING, *_OWING]:
        with suppress(Exception):  # the process ends
            each._waits.at_exit(each.end_with_process)


atexit.register(_at_exit)
