"""The asynchronous ring: the methods of the ring over each asynchronous driver, and what cancelling leaves."""

import asyncio
import pickle
import time
from typing import cast

import pytest
import sqlalchemy as sa

from kms_schema.crypto import Root, RootKeys, Secret
from kms_schema.keyring import (
    DatabaseUnavailableError,
    DecryptionError,
    KeyRevokedError,
    RingClosedError,
    UnknownKeyError,
)
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.rings import AAD, DATA, SMALL_POOL, entries, opened, statements, unreachable, used


def test_each_method(database: Database, roots: RootKeys, kek: str, driver: str) -> None:
    async def work() -> None:
        async with opened(database, roots, driver) as (ring, _):
            name = unique("orders")
            made = await ring.create(name, under=kek, material=bytes(range(32)), actor="alice")
            assert (made.key_id, made.version) == (name, 1)
            key = ring.key(name)
            with pytest.raises(TypeError, match="data takes bytes, not str"):
                await key.encrypt(cast("bytes", "text"), aad=AAD)
            blob = await key.encrypt(DATA, aad=AAD)
            assert (await ring.rotate(name)).version == 2
            moved = await key.reencrypt(blob, aad=AAD)
            assert await key.reencrypt(moved, aad=AAD) == moved
            for each, number in ((blob, 1), (moved, 2)):
                assert await key.decrypt(each, aad=AAD) == DATA
                assert (await ring.inspect(each)).version == number
            with pytest.raises(DecryptionError):
                await key.decrypt(blob, aad=b"other")
            with pytest.raises(UnknownKeyError):
                await ring.key(unique("none")).encrypt(DATA, aad=AAD)
            await ring.expire(name)
            assert await key.decrypt(blob, aad=AAD) == DATA
            await ring.revoke(name, reason="leaked")
            with pytest.raises(KeyRevokedError):
                await key.decrypt(blob, aad=AAD)
            assert (await ring.archive(name)).status == "archived"
            assert repr(ring) == "<AsyncKeyRing, open>"
            with pytest.raises(TypeError):
                pickle.dumps(ring)
        with pytest.raises(RingClosedError):
            await key.decrypt(blob, aad=AAD)
        assert entries(database, "KEY_USED", name)[-1]["decryptions"] > 0

    asyncio.run(work())


def test_fifty_tasks_share_three_connections_and_what_is_reserved(
    database: Database, roots: RootKeys, orders: str, driver: str
) -> None:
    async def work() -> None:
        async with opened(database, roots, driver, **SMALL_POOL) as (ring, engine):
            found = statements(ring)
            key = ring.key(orders)

            async def task(number: int) -> None:
                async with engine.connect() as connection:
                    await connection.execute(sa.text("SELECT 1"))
                aad = str(number).encode()
                for _ in range(10):
                    assert await key.decrypt(await key.encrypt(DATA, aad=aad), aad=aad) == DATA

            await asyncio.gather(*(task(number) for number in range(50)))
            assert sum("1 AS is_live" in each for each in found) == 1  # read once
            assert used(database, orders) == 511
            del found[:]
            for _ in range(11):
                await key.encrypt(DATA, aad=AAD)
            assert found == []  # what is cached and reserved needs no database

    asyncio.run(work())
    assert len(entries(database, "KEY_USED", orders)) == 2


class Slow:
    """A root that takes its time, as an HSM may, and says what the event loop did meanwhile."""

    def __init__(self, root: Root) -> None:
        self.type, self.key = root.type, root.key
        self.health, self.close = root.health, root.close
        self._derive = root.derive
        self.ticks = self.meanwhile = 0

    def derive(self, message: bytes) -> Secret:
        before = self.ticks
        deadline = time.monotonic() + 10
        while self.ticks < before + 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.meanwhile += self.ticks - before
        return self._derive(message)


def test_a_slow_root_blocks_no_event_loop(database: Database, roots: RootKeys, orders: str) -> None:
    async def work() -> None:
        ((reference, root),) = roots.items()
        slow = Slow(root)
        async with opened(database, RootKeys({reference: slow})) as (ring, _):
            task = asyncio.create_task(ring.key(orders).encrypt(DATA, aad=AAD))
            while not task.done():
                await asyncio.sleep(0.01)
                slow.ticks += 1
            assert await ring.key(orders).decrypt(await task, aad=AAD) == DATA
            assert slow.meanwhile >= 5

    asyncio.run(work())


def test_a_task_that_is_cancelled_leaves_the_ring_usable(
    database: Database, roots: RootKeys, orders: str, driver: str
) -> None:
    """Cancelled after more and more time, so at every place where it awaits; then the count is not too low."""

    async def work() -> None:
        done = 0
        async with opened(database, roots, driver, **SMALL_POOL) as (ring, _):
            key = ring.key(orders)
            for number in range(40):
                ring._ring._parts.versions.forget_process()  # read, opened and reserved again
                tasks = [asyncio.create_task(key.encrypt(DATA, aad=AAD)) for _ in range(3)]
                for _ in range(number):
                    await asyncio.sleep(0)
                await asyncio.sleep(number % 8 / 2000)
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(each, bytes | asyncio.CancelledError) for each in ended), ended
                done += sum(isinstance(each, bytes) for each in ended)
            async with asyncio.timeout(20):
                await asyncio.gather(*(key.encrypt(DATA, aad=AAD) for _ in range(6)))
            assert used(database, orders) >= done + 6
            assert await key.decrypt(await key.encrypt(DATA, aad=AAD), aad=AAD) == DATA

    asyncio.run(work())


@pytest.mark.only_on("postgresql")
def test_without_a_database(database: Database, roots: RootKeys, orders: str, driver: str) -> None:
    async def work() -> None:
        async with opened(database, roots, driver, max_age=0.2) as (ring, _):
            key = ring.key(orders)
            blob = await key.encrypt(DATA, aad=AAD)
            with unreachable(database):
                await asyncio.sleep(0.2)
                for use in (key.encrypt, key.decrypt):
                    with pytest.raises(DatabaseUnavailableError) as caught:
                        await use(blob, aad=AAD)
                    assert "asyncpg.exceptions" not in str(caught.value)
            for _ in range(3):  # dead connections are replaced
                assert await key.decrypt(await key.encrypt(DATA, aad=AAD), aad=AAD) == DATA

    asyncio.run(work())


def test_functions_in_greenlets_use_the_same_ring(database: Database, roots: RootKeys, orders: str) -> None:
    """As types of columns do while an asynchronous session runs them."""

    async def work() -> None:
        async with opened(database, roots) as (ring, engine):

            def in_greenlet(_: sa.Connection) -> bytes:
                key = ring.in_greenlets.key(orders)
                return key.decrypt(key.encrypt(DATA, aad=AAD), aad=AAD)

            async with engine.connect() as connection:
                assert await connection.run_sync(in_greenlet) == DATA
            ring.in_greenlets.key(orders)
            with pytest.raises(sa.exc.MissingGreenlet):
                ring.in_greenlets.key(unique("cold")).encrypt(DATA, aad=AAD)

    asyncio.run(work())
