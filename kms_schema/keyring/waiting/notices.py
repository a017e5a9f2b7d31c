"""Notices of the database that a key has changed, on PostgreSQL: the ring reads its row again sooner than `max_age`.

A notice is a hint. Anybody who can connect may send one, and none may come: its sender skips it while the queue of the
database is filling up. So a notice only marks what is in the cache, which reads a row at most once a second for it.

A ring listens in a thread over psycopg; an asynchronous one in a task, over asyncpg or psycopg.
"""

import asyncio
import random
import selectors
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, closing, suppress
from contextvars import Context
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.util import await_only, greenlet_spawn

from kms_schema.engine import engine_of_its_own

CHANNEL = "kms_keys"
"""The channel of PostgreSQL; the payload is the `key_id`."""

NAME = "kms-schema notices"
"""The name of the thread or task that listens."""
ENTRIES = "kms-schema entries"
"""The name of the one that writes the entries of each hour."""

FIRST_AFTER = 0.5
"""Seconds after the first use before a ring listens, so that a process of one use opens no connection for it."""
RETRIED_AFTER, LONGEST_RETRY = 1.0, 60.0
"""Seconds before a connection that was lost is opened again; twice as many each time, until the longest."""
_ENDS_WITHIN = 1.0
"""Seconds that closing waits for a thread, which may be connecting."""

Note = Callable[[str | None], None]
"""Takes the name of a key that may have changed, or None where notices may have been missed."""


class Listener:
    """Works beside a ring while that is in use: listens, or writes what is due. This one does nothing.

    SQLite has no notices, and some drivers wait for none.
    """

    def begin(self) -> None:
        """Begin, if that has not happened. Waits for nothing, and fails never."""

    def close(self) -> None:
        """Stop listening for notices."""

    def abandon(self) -> None:
        """Have it end, and wait for nothing: the ring is collected."""

    def forget(self) -> None:
        """Leave it to the parent process or to another event loop."""


class Delays:
    """Seconds before each attempt to connect: a short one first, then more and more, a little different each time."""

    def __init__(self) -> None:
        """Begin."""
        self._next = FIRST_AFTER

    def next(self) -> float:
        """Return how long to wait now."""
        delay, self._next = self._next, min(LONGEST_RETRY, max(RETRIED_AFTER, 2 * self._next))
        return delay * random.uniform(0.8, 1.2)  # noqa: S311  (jitter, not a secret)

    def connected(self) -> None:
        """Begin again: the connection was there."""
        self._next = RETRIED_AFTER


class Stop:
    """A sign for a thread that waits for a socket."""

    def __init__(self) -> None:
        """Begin without it."""
        self._reader, self._writer = socket.socketpair()
        self.is_set: bool = False

    def set(self) -> None:
        """Give the sign."""
        self.is_set = True
        with suppress(OSError):
            self._writer.send(b".")

    def wait(self, seconds: float | None = None, connection: psycopg.Connection[Any] | None = None) -> bool:
        """Wait for the sign, or for data of a connection; return True after the sign."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._reader, selectors.EVENT_READ)
            if connection is not None:
                selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.select(seconds)
        return self.is_set

    def close(self) -> None:
        """Close the sockets, at the end of the thread."""
        self._reader.close()
        self._writer.close()


class InThread(Listener):
    """Does work in a thread, such as to listen, over psycopg."""

    _lock: threading.Lock
    _running: tuple[threading.Thread, Stop] | None
    _is_ended = False

    def __init__(self, work: Callable[[Stop], None], name: str) -> None:
        """Do `work` until its sign. `name` is that of the thread."""
        self._work = work
        self._name = name
        self.forget()

    def begin(self) -> None:
        """Start the thread, unless it runs."""
        if self._running is not None:
            return
        with self._lock:
            if self._running is None and not self._is_ended:
                # Without a socket or a thread now, the next use begins it.
                with suppress(OSError, RuntimeError), ExitStack() as opened:
                    stop = opened.enter_context(closing(Stop()))
                    thread = threading.Thread(target=self._run, args=(self._work, stop), name=self._name, daemon=True)
                    thread.start()
                    self._running = thread, stop
                    opened.pop_all()

    @staticmethod
    def _run(work: Callable[[Stop], None], stop: Stop) -> None:
        with closing(stop):
            work(stop)

    def close(self) -> None:
        """End the thread. One that connects right now ends after that."""
        with self._lock:
            self.abandon()
        if self._running is not None and self._running[0].is_alive():
            self._running[0].join(_ENDS_WITHIN)

    def abandon(self) -> None:
        """Have the thread end."""
        self._is_ended = True
        if self._running is not None:
            self._running[1].set()

    def forget(self) -> None:
        """Begin without a thread: a forked process has none."""
        self._lock = threading.Lock()
        self._running = None


def listen_in_thread(engine: sa.Engine, note: Note, stop: Stop) -> None:
    """Listen to the database of `engine`, over psycopg."""
    own, pause = engine_of_its_own(engine), Delays()
    while not stop.wait(pause.next()):
        with suppress(Exception):  # a hook of the application may raise its own when it connects
            connection, driver, listens = listening(own)
            with connection:
                if not listens:
                    return
                pause.connected()
                note(None)
                while not stop.wait(connection=driver):
                    for notice in driver.notifies(timeout=0):
                        note(notice.payload)


def repeat_in_thread(work: Callable[[], float], stop: Stop) -> None:
    """Do `work` each time after the seconds that it has returned."""
    while not stop.wait(work()):
        pass


def listening(engine: sa.Engine) -> tuple[sa.Connection, Any, bool]:
    """Return a connection that belongs to no pool, so that to close it ends it, the driver's, and whether it listens.

    It does not behind a proxy: one that pools transactions would leave LISTEN to the other clients of the session, and
    this one would receive nothing. A client cannot tell it from one that pools sessions.
    """
    connection = engine.connect()
    try:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        driver: Any = connection.connection.driver_connection  # a connection without a pool does not know it
        connection.detach()
        # A proxy makes up the process that it names at the start.
        process = driver.get_server_pid() if hasattr(driver, "get_server_pid") else driver.info.backend_pid
        listens = connection.exec_driver_sql("SELECT pg_catalog.pg_backend_pid()").scalar_one() == process
        if listens:
            connection.exec_driver_sql(f"LISTEN {CHANNEL}")
    except BaseException:
        connection.close()
        raise
    return connection, driver, listens


class InTask(Listener):
    """Does work in a task of the event loop in which the ring is used, such as to listen."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Do `work`. `name` is that of the task."""
        self._work = work
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._is_ended = False

    def begin(self) -> None:
        """Start the task, unless it runs."""
        if self._task is None and not self._is_ended:
            # Not in the context of this task, which may have a transaction open.
            self._task = asyncio.get_running_loop().create_task(self._work(), name=self._name, context=Context())

    def close(self) -> None:
        """End the task, and wait for it. In a greenlet."""
        task, self._task, self._is_ended = self._task, None, True
        if task is not None:
            task.cancel()
            await_only(asyncio.wait([task]))

    def abandon(self) -> None:
        """Have the task end."""
        self._is_ended = True
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def forget(self) -> None:
        """Begin without a task. That of a loop that has ended was cancelled with it."""
        self._task = None


async def listen_in_task(engine: sa.Engine, note: Note) -> None:
    """Listen to the database of `engine`, over asyncpg or psycopg."""
    listen = _with_asyncpg if engine.dialect.driver == "asyncpg" else _with_psycopg
    own, pause = engine_of_its_own(engine), Delays()
    while True:
        await asyncio.sleep(pause.next())
        with suppress(Exception):  # a hook of the application may raise its own when it connects
            connection, driver, listens = await greenlet_spawn(listening, own)
            try:
                if not listens:
                    return
                pause.connected()
                note(None)
                await listen(driver, note)
            finally:
                try:
                    await greenlet_spawn(connection.close)
                finally:
                    await driver.close()  # SQLAlchemy leaves one of psycopg without a pool open


async def repeat_in_task(work: Callable[[], float]) -> None:
    """Do `work` in a greenlet, each time after the seconds that it has returned."""
    while True:
        await asyncio.sleep(await greenlet_spawn(work))


async def _with_psycopg(driver: Any, note: Note) -> None:
    async for notice in driver.notifies():
        note(notice.payload)


async def _with_asyncpg(driver: Any, note: Note) -> None:
    is_lost = asyncio.Event()
    driver.add_termination_listener(lambda _: is_lost.set())
    await driver.add_listener(CHANNEL, lambda _driver, _process, _channel, payload: note(payload))
    await is_lost.wait()
