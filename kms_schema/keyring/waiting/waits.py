"""How a ring waits: threads block, tasks of an event loop await.

The core of the ring is written once, as functions that block. `AsyncKeyRing` runs them in the greenlets of SQLAlchemy,
whose asynchronous drivers await there. This module makes the rest of what waits: locks that are held while the
database answers, places for connections, root keys, listeners. Locks that are never held
across a wait are those of `threading` for both.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.util import await_only, greenlet_spawn

from kms_schema.crypto import Root, RootKeys, Secret, SecretRoot
from kms_schema.keyring.errors import EventLoopError
from kms_schema.keyring.waiting.notices import (
    ENTRIES,
    NAME,
    InTask,
    InThread,
    Listener,
    Note,
    listen_in_task,
    listen_in_thread,
    repeat_in_task,
    repeat_in_thread,
)  # fmt: skip

Result = TypeVar("Result")


class Turn:
    """A lock, or a number of places, that is held across waits: one of `threading`."""

    __slots__ = ("_lock",)

    def __init__(self, lock: AbstractContextManager[Any]) -> None:
        """Use a lock or semaphore."""
        self._lock = lock

    def held(self) -> AbstractContextManager[Any]:
        """Wait until it is free, and hold it inside the block."""
        return self._lock


class Own(Protocol):
    """A value of each thread, or of each task and the tasks that it starts."""

    def get(self) -> tuple[Any, ...]:
        """Return the value; empty at first."""

    def set(self, value: tuple[Any, ...]) -> None:
        """Set the value."""


class _ThreadOwn(threading.local):
    _value: tuple[Any, ...] = ()

    def get(self) -> tuple[Any, ...]:
        return self._value

    def set(self, value: tuple[Any, ...]) -> None:
        self._value = value


class Waits:
    """Makes the parts of a ring that wait: those of `KeyRing` block their thread."""

    def lock(self) -> Turn:
        """Return a lock that is held across waits."""
        return Turn(threading.Lock())

    def places(self, count: int) -> Turn:
        """Return `count` places, which wait for each other."""
        return Turn(threading.BoundedSemaphore(count))

    def own(self) -> Own:
        """Return a value of each thread or task."""
        return _ThreadOwn()

    def pause(self, seconds: float) -> None:
        """Wait that long."""
        time.sleep(seconds)

    def roots(self, roots: RootKeys) -> RootKeys:
        """Return the root keys, for calls that may block as long as an HSM takes: other threads run meanwhile."""
        return roots

    def call(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns, which may take as long as an HSM does and uses no database."""
        return work()

    def at_exit(self, work: Callable[[], None]) -> None:
        """Do `work`, which uses the database, at the end of the process."""
        work()

    def listener(self, engine: sa.Engine, note: Note) -> Listener:
        """Return what listens to notices of the database, where the driver can wait for them."""
        listen = partial(listen_in_thread, engine, note)
        return InThread(listen, NAME) if engine.dialect.driver == "psycopg" else Listener()

    def repeating(self, work: Callable[[], float]) -> Listener:
        """Return what does `work` while the ring is in use, each time after the seconds that it has returned."""
        return InThread(partial(repeat_in_thread, work), ENTRIES)


class _LoopTurn(Turn):
    """A lock or semaphore of `asyncio`: one in each event loop, since it belongs to the loop that waits for it."""

    __slots__ = ("_current", "_loop", "_make")

    def __init__(self, make: Callable[[], asyncio.Lock | asyncio.Semaphore]) -> None:
        self._make = make
        self._loop: asyncio.AbstractEventLoop | None = None
        self._current = make()

    @contextmanager
    def held(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._current = loop, self._make()
        current = self._current  # a task that an ended loop has left behind releases its own, and no other
        await_only(current.acquire())
        try:
            yield
        finally:
            current.release()


_of_task: ContextVar[tuple[tuple["_TaskOwn", Any], ...]] = ContextVar("kms_schema_keyring", default=())


class _TaskOwn:
    """A value of a task. A task that is started later, as by `asyncio.gather`, begins with that of its parent."""

    __slots__ = ("__weakref__",)

    def get(self) -> tuple[Any, ...]:
        return tuple(value for owner, value in _of_task.get() if owner is self)

    def set(self, value: tuple[Any, ...]) -> None:
        others = tuple(each for each in _of_task.get() if each[0] is not self)
        _of_task.set(others + tuple((self, each) for each in value))


_begun: ContextVar[asyncio.Event | None] = ContextVar("kms_schema_keyring_begun", default=None)
"""Set when the work of `to_the_end` in this task has called an HSM."""


async def to_the_end(work: Callable[[], Result]) -> Result:
    """Return what `work` returns in a greenlet. If the task is cancelled after it has called an HSM, wait for its end.

    The HSM does what it was asked all the same, in its thread: a rollback meanwhile would leave a version whose object
    is destroyed, or an object without a version. Before that call it is cancelled as well.
    """
    begun = asyncio.Event()

    async def run() -> Result:
        _begun.set(begun)
        return await greenlet_spawn(work)

    running = asyncio.ensure_future(run())
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            if not begun.is_set():
                running.cancel()
            with suppress(asyncio.CancelledError):  # a second time: the first one is raised below
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # taken: else asyncio reports that it was not
        raise


class EventLoops(Waits):
    """The waits of `AsyncKeyRing`, which is used in one event loop after another."""

    def __init__(self) -> None:
        """Begin without a loop."""
        self._loop: asyncio.AbstractEventLoop | None = None

    def forget(self) -> None:
        """Forget the event loop of the parent process, in a process that was forked."""
        self._loop = None

    def has_moved(self) -> bool:
        """Return True if this is another event loop than at the last call.

        Raises `EventLoopError` where none runs, or while the last one runs in another thread.
        """
        try:
            loop, previous = asyncio.get_running_loop(), self._loop
        except RuntimeError:
            raise EventLoopError("no event loop runs here: use an asynchronous key ring in a task") from None
        if loop is previous:
            return False
        if previous is not None and previous.is_running():
            raise EventLoopError("this key ring is in use in the event loop of another thread: make one for each loop")
        self._loop = loop
        return previous is not None

    def lock(self) -> Turn:
        """Return a lock that is awaited."""
        return _LoopTurn(asyncio.Lock)

    def places(self, count: int) -> Turn:
        """Return a semaphore that is awaited."""
        return _LoopTurn(lambda: asyncio.BoundedSemaphore(count))

    def own(self) -> Own:
        """Return a value that each task has of its own, with the tasks that it starts."""
        return _TaskOwn()

    def pause(self, seconds: float) -> None:
        """Wait that long, while other tasks run."""
        await_only(asyncio.sleep(seconds))

    def roots(self, roots: RootKeys) -> RootKeys:
        """Return root keys that are used in a thread, so that the event loop goes on."""
        return roots.replaced(_in_thread)

    def call(self, work: Callable[[], Result]) -> Result:
        """Call it in another thread, while other tasks run; in this one where nothing can be awaited."""
        if (begun := _begun.get()) is not None:
            begun.set()
        try:
            return await_only(asyncio.to_thread(work))
        except sa.exc.MissingGreenlet:  # a value of a result, which SQLAlchemy reads outside of its greenlets
            return work()

    def at_exit(self, work: Callable[[], None]) -> None:
        """Call it in an event loop of its own."""
        asyncio.run(greenlet_spawn(work))

    def listener(self, engine: sa.Engine, note: Note) -> Listener:
        """Return one that listens in a task, where the driver is asyncpg or psycopg."""
        listen = partial(listen_in_task, engine, note)
        return InTask(listen, NAME) if engine.dialect.name == "postgresql" else Listener()

    def repeating(self, work: Callable[[], float]) -> Listener:
        """Return one that works in a task."""
        return InTask(partial(repeat_in_task, work), ENTRIES)


class _InThread:
    """A root that derives in a thread."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self.type, self.key = root.type, root.key
        self.health, self.close = root.health, root.close

    def derive(self, message: bytes) -> Secret:
        return await_only(asyncio.to_thread(self._root.derive, message))


def _in_thread(root: Root) -> Root:
    return root if isinstance(root, SecretRoot) else _InThread(root)  # memory answers at once
