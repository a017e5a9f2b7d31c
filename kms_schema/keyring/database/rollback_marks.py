"""Marks of the work that the ring does in transactions of the application on SQLite: a rollback takes them as well.

A rollback may come as text, to a savepoint or not, through the driver, or from a trigger, and no event says so. A mark
is a number in the header of the connection's temporary database, which costs no file. The number that is there before
the next work, and before COMMIT, says which work is lost.
"""

import threading
import weakref
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import sqlalchemy as sa

from kms_schema.keyring.waiting.waits import Turn

Work = Callable[[sa.Connection], None]

_NUMBERS = count()
_START = "kms_schema_start"
_MOST = 2**31 - 1
"""The greatest number that the header has."""


@dataclass(eq=False)
class Open:
    """An open transaction, with the work of one ring in it."""

    connection: "weakref.ref[sa.Connection]"
    """Weak: a connection that the application drops is to be collected, which is a rollback."""
    turn: Turn
    """Held while the ring does its work."""
    done: dict[int, Work] = field(default_factory=dict)
    """The work that a rollback takes, by its mark."""
    lost: list[Work] = field(default_factory=list)
    """The work that a rollback within the transaction has taken."""
    blocks: dict[Any, Any] = field(default_factory=dict)
    """Blocks of uses that were reserved in this transaction."""
    has_ended: bool = False
    finalizer: "weakref.finalize[Any, Any] | None" = None
    thread: threading.Thread = field(default_factory=threading.current_thread)

    def all(self) -> list[Work]:
        """Return the work that is lost, and that a rollback would take."""
        return [*self.lost, *self.done.values()]

    def keep(self, mark: int) -> None:
        """Take the work that was done after that of a mark as lost."""
        for each in [each for each in self.done if each > mark]:
            self.lost.append(self.done.pop(each))


_OPEN: "weakref.WeakKeyDictionary[sa.Connection, list[Open]]" = weakref.WeakKeyDictionary()
"""The transaction of a connection as each ring has it: a mark says what all of them have lost."""


def join(connection: sa.Connection, turn: Turn) -> Open:
    """Return the transaction that begins on a connection, for one ring."""
    opened = Open(weakref.ref(connection), turn)
    # The last transaction stays until now: its marks are compared once for each ring.
    _OPEN[connection] = [*(each for each in _OPEN.get(connection, ()) if not each.has_ended), opened]
    return opened


def forget_all() -> None:
    """Forget the transactions that the parent process has open."""
    _OPEN.clear()


def next_mark() -> int:
    """Return the mark of the next work."""
    return 1 + next(_NUMBERS) % _MOST


def set_mark(connection: sa.Connection, mark: int) -> None:
    """Leave the mark of work that is done, in the same transaction."""
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute(f"PRAGMA temp.user_version = {mark}")


def find_lost(connection: sa.Connection) -> None:
    """Find the work that a rollback of this transaction has taken, for all rings."""
    opens = _OPEN.get(connection, [])
    if not any(each.done for each in opens):
        return
    mark = _mark_of(connection)
    kept = mark if any(mark in each.done for each in opens) else 0
    for each in opens:
        each.keep(kept)


def set_start(connection: sa.Connection) -> None:
    """Set the savepoint with which `undo_all_else` undoes a transaction that begins. Raises nothing."""
    with suppress(connection.dialect.loaded_dbapi.Error), closing(connection.connection.cursor()) as cursor:
        cursor.execute(f"SAVEPOINT {_START}")


def undo_all_else(opened: Open, connection: sa.Connection) -> bool:
    """Undo a transaction, and commit it with what the ring has done there: at a limit no other one gets past it.

    False: it is to be rolled back, as where a text has ended the one that began, and all is done again after that.
    """
    errors = (connection.dialect.loaded_dbapi.Error, sa.exc.SQLAlchemyError)
    with suppress(*errors), closing(connection.connection.cursor()) as cursor:
        cursor.execute(f"ROLLBACK TO {_START}")
        find_lost(connection)
        for again in opened.lost:
            again(connection)
        connection.connection.commit()
        return True
    return False


def _mark_of(connection: sa.Connection) -> int:
    """Return the mark of the last work that is part of the transaction, or another number."""
    try:
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute("PRAGMA temp.user_version")
            mark: int = cursor.fetchall()[0][0]
    except connection.dialect.loaded_dbapi.Error:  # then all is done again
        return 0
    return mark
