"""Notices of the database for an asynchronous ring: a task that listens, over asyncpg or psycopg."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any

import sqlalchemy as sa
from sqlalchemy.util import await_only, greenlet_spawn

from kms_schema.engine import engine_of_its_own
from kms_schema.keyring.waiting.notices import CHANNEL, Delays, Note, listening


class InTask:
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
