"""On SQLite, the transaction that the application has open in this thread: the ring counts there.

One connection writes at a time. If the ring counted on another connection while the application's session has written,
it would wait for that session, which waits for the ring. A rollback takes the counts with it, although the ciphertexts
may have left the process: they are added again at once.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

Work = Callable[[sa.Connection], None]


@dataclass
class _Open:
    connection: sa.Connection
    done: list[Work] = field(default_factory=list)
    """The work that a rollback takes."""
    lost: list[Work] = field(default_factory=list)
    """The work that the rollback of a savepoint has taken."""
    savepoints: list[int] = field(default_factory=list)
    """For each open savepoint, how much was done before it."""
    blocks: dict[Any, Any] = field(default_factory=dict)
    """Blocks of uses that were reserved in this transaction."""


class OpenTransactions:
    """Follows the transactions that an engine begins and ends, in each thread."""

    def __init__(self, engine: sa.Engine, perform: Callable[[Work], None]) -> None:
        """Follow those of `engine`; `perform` does what was lost on a connection of the ring."""
        self._engine = engine
        self._perform = perform
        self._threads = threading.local()
        self._hooks: dict[str, Callable[..., None]] = {
            "begin": self._begin,
            "commit": self._commit,
            "rollback": self._rollback,
            "savepoint": self._savepoint,
            "rollback_savepoint": self._rollback_savepoint,
            "release_savepoint": self._release_savepoint,
        }
        for name, hook in self._hooks.items():
            sa.event.listen(engine, name, hook)

    def close(self) -> None:
        """Stop following."""
        for name, hook in self._hooks.items():
            sa.event.remove(self._engine, name, hook)

    def forget(self) -> None:
        """Forget what the parent process has open."""
        self._threads = threading.local()

    def current(self) -> sa.Connection | None:
        """Return the connection of the last transaction that this thread began and has not ended; None if none."""
        opened = self._stack
        return opened[-1].connection if opened else None

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
        self._stack.append(_Open(connection))

    def _taken(self, connection: sa.Connection) -> _Open | None:
        stack = self._stack
        for place, opened in enumerate(stack):
            if opened.connection is connection:
                return stack.pop(place)
        return None

    def _commit(self, connection: sa.Connection) -> None:
        opened = self._taken(connection)
        for again in opened.lost if opened is not None else ():
            again(connection)  # before the COMMIT, and part of it

    def _rollback(self, connection: sa.Connection) -> None:
        opened = self._taken(connection)
        if opened is None or not (opened.done or opened.lost):
            return
        connection.connection.rollback()  # now, not after this event: the ring's transaction would wait for it

        def again(own: sa.Connection) -> None:
            for each in (*opened.done, *opened.lost):
                each(own)

        self._perform(again)

    def _find(self, connection: sa.Connection) -> _Open | None:
        return next((each for each in self._stack if each.connection is connection), None)

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
