"""Streams for `asyncio`: files are read in threads, and asynchronous sources are awaited."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from contextlib import closing
from typing import Any, cast

from sqlalchemy.util import await_only, greenlet_spawn

from kms_schema.keyring.formats.streams import Source

AsyncSource = Source | AsyncIterable[bytes]
"""A binary file or pipe that blocks, or parts of any length that are awaited, such as those of a request's body."""


async def awaited(stream: Callable[[Source], Iterator[bytes]], source: AsyncSource) -> AsyncGenerator[bytes, None]:
    """Yield what a stream of the ring yields; it begins with the first part. Raises as that does."""
    reader: Source = _Awaited(source) if isinstance(source, AsyncIterable) else _InThread(source)
    with closing(cast("Any", await greenlet_spawn(stream, reader))) as parts:
        while (part := await greenlet_spawn(next, parts, None)) is not None:
            yield part


class _InThread:
    """Reads from a file in a thread, so that the event loop goes on."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def readinto(self, buffer: memoryview, /) -> int | None:
        return await_only(asyncio.to_thread(self._source.readinto, buffer))


class _Awaited:
    """Reads from an asynchronous source."""

    def __init__(self, source: AsyncIterable[bytes]) -> None:
        self._parts = aiter(source)
        self._left = memoryview(b"")

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._left:
            part = await_only(_next(self._parts))
            if part is None:
                return 0
            self._left = memoryview(part)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


async def _next(parts: Any) -> bytes | None:
    part: bytes | None = await anext(parts, None)
    return part
