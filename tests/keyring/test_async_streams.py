"""Streams over asyncio: files that are read in threads, and sources that are awaited."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from kms_schema.crypto import RootKeys
from kms_schema.keyring import DecryptionError, KeyRing, KeyStateError
from support.engines import Database
from support.errors import raises
from tests.keyring.rings import opened, used

CONTENT = bytes(range(256)) * 5000  # two segments
AAD = b"report"


class File(io.BytesIO):
    """Notes the threads that read it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.threads: set[int] = set()

    def readinto(self, buffer: Any) -> int:
        self.threads.add(threading.get_ident())
        return super().readinto(buffer)


async def body(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    """Yield the content as the body of a request comes, with parts that are empty."""
    for place in range(0, len(content), size):
        yield content[place : place + size]
        yield b""


async def joined(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in parts])


def test_files_and_awaited_sources_in_both_directions(
    ring: KeyRing, database: Database, roots: RootKeys, orders: str
) -> None:
    async def work() -> None:
        async with opened(database, roots) as (own, _):
            key, file = own.key(orders), File(CONTENT)
            blobs = [await joined(key.encrypt_stream(source, aad=AAD)) for source in (file, body(CONTENT))]
            assert file.threads
            assert threading.get_ident() not in file.threads, "the event loop stood still while the file was read"
            for blob in blobs:
                assert b"".join(ring.key(orders).decrypt_stream(io.BytesIO(blob), aad=AAD)) == CONTENT
                assert await joined(key.decrypt_stream(body(blob), aad=AAD)) == CONTENT
            for changed, aad in ((blobs[0][:-1], AAD), (blobs[0], b""), (b"\x01" + blobs[0][1:], AAD), (b"", AAD)):
                with pytest.raises(DecryptionError):
                    await joined(key.decrypt_stream(File(changed), aad=aad))
            await own.revoke(orders, reason="leaked")
            old = await own.revoked_key(orders, reason="incident 4711")
            assert await joined(old.decrypt_stream(body(blobs[1]), aad=AAD)) == CONTENT
            old.close()

    asyncio.run(work())
    assert used(database, orders) >= 2


def test_a_stream_ends_with_its_consumer_and_with_its_source(database: Database, roots: RootKeys, orders: str) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield CONTENT
        raise ConnectionResetError

    async def work() -> None:
        async with opened(database, roots) as (ring, _):
            key = ring.key(orders)
            async with aclosing(key.encrypt_stream(body(CONTENT), aad=AAD)) as parts:
                await anext(parts)
            with pytest.raises(ConnectionResetError):
                await joined(key.encrypt_stream(failing(), aad=AAD))
            waiting = asyncio.Event()

            async def stalls() -> AsyncIterator[bytes]:
                waiting.set()
                await asyncio.Event().wait()
                yield b""

            running = asyncio.ensure_future(joined(key.encrypt_stream(stalls(), aad=AAD)))
            await asyncio.wait_for(waiting.wait(), 10)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await ring.expire(orders)
            with raises(KeyStateError, "expired"):
                await joined(key.encrypt_stream(body(CONTENT), aad=AAD))

    asyncio.run(work())
