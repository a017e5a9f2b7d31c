"""On SQLite, the transaction that the application has open in this thread: the ring counts there.

One connection writes at a time. If the ring counted on another connection while the application's session has written,
it would wait for that session, which waits for the ring. A rollback takes the counts with it, although the ciphertexts
may have left the process: they are added again at once.
"""

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

Work = Callable[[sa.Connection], None]


@dataclass
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


class OpenTransactions:
    """Follows the transactions that an engine begins and ends. Each belongs to the thread that began it."""

    def __init__(self, engine: sa.Engine, perform: Callable[[Work], None]) -> None:
        """Follow those of `engine`; `perform` does what was lost on a connection of the ring."""
        self._engine = engine
        self._perform = perform
        self._hooks: dict[str, Callable[..., None]] = {
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
        """Stop following."""
        for name, hook in self._hooks.items():
            sa.event.remove(self._engine, name, hook)

    def forget(self) -> None:
        """Forget what the parent process has open."""
        self._threads = threading.local()
        self._opens: weakref.WeakKeyDictionary[sa.Connection, _Open] = weakref.WeakKeyDictionary()
        self._missing: list[Work] = []
        """The work that a rollback has taken and that could not be done again yet."""

    def current(self) -> sa.Connection | None:
        """Return the connection of the last transaction that this thread began and that is open; None if none is."""
        stack = self._stack
        while stack:
            connection = stack[-1].connection()
            if connection is not None and not stack[-1].has_ended:
                return connection
            ended = stack.pop()
            if not ended.has_ended:  # its connection was collected
                self._missing += [*ended.done, *ended.lost]
        return None

    def catch_up(self) -> None:
        """Do again what a rollback has taken, if that failed before. Raises the error of the driver if it fails."""
        if not self._missing:
            return
        missing, self._missing = self._missing, []

        def again(own: sa.Connection) -> None:
            for each in missing:
                each(own)

        try:
            self._perform(again)
        except BaseException:
            self._missing += missing
            raise

    @property
    def blocks(self) -> dict[Any, Any]:
        """The blocks of uses of the current transaction."""
        return self._stack[-1].blocks

    def note(self, again: Work) -> None:
        """Do `again` if the current transaction is rolled back."""
        self._stack[-1].done.append(again)

    @property
    def _stack(self) -> list[_Open]:
        stack: list[_Open] | None = getattr(self._threads, "stack", None)
        if stack is None:
            stack = self._threads.stack = []
        return stack

    def _begin(self, connection: sa.Connection) -> None:
        opened = self._opens[connection] = _Open(weakref.ref(connection))
        self._stack.append(opened)

    def _ended(self, connection: sa.Connection) -> _Open | None:
        """Return the transaction that ends, by whichever thread; None if it has nothing of the ring."""
        opened = self._opens.pop(connection, None)
        if opened is None:
            return None
        opened.has_ended = True
        return opened if opened.done or opened.lost else None

    def _commit(self, connection: sa.Connection) -> None:
        opened = self._ended(connection)
        for again in opened.lost if opened is not None else ():
            again(connection)  # before the COMMIT, and part of it

    def _rollback(self, connection: sa.Connection) -> None:
        opened = self._ended(connection)
        if opened is None:
            return
        self._missing += [*opened.done, *opened.lost]
        if not connection.invalidated:
            connection.connection.rollback()  # now, not after this event: the ring's transaction would wait for it
        # The rollback of the application does not fail by it. The next use reserves only after that is done.
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
