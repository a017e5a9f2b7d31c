"""The asynchronous ring beside what else an event loop has: other loops, forks, and open transactions of tasks."""

import asyncio

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.keyring import AsyncKeyRing, DatabaseUnavailableError, EventLoopError
from support.engines import Database
from tests.keyring.processes import child
from tests.keyring.rings import AAD, DATA, async_engine, opened, used


def test_event_loops_one_after_another(database: Database, roots: RootKeys, orders: str, driver: str) -> None:
    """Connections and locks belong to a loop; what is opened and reserved belongs to the process."""
    engine = async_engine(database, driver, poolclass=sa.NullPool)
    ring = AsyncKeyRing(engine, roots)
    key = ring.key(orders)

    async def work() -> list[bytes | BaseException]:
        return await asyncio.gather(*(key.encrypt(DATA, aad=AAD) for _ in range(5)), return_exceptions=True)

    for counted in (7, 15, 15):
        blobs = asyncio.run(work())
        assert all(isinstance(blob, bytes) for blob in blobs), blobs
        assert used(database, orders) == counted
    asyncio.run(ring.close())


def test_where_no_event_loop_is_or_another_one(database: Database, roots: RootKeys, orders: str) -> None:
    engine = async_engine(database, poolclass=sa.NullPool)
    ring = AsyncKeyRing(engine, roots)
    with pytest.raises(EventLoopError, match="no event loop"):
        ring.in_greenlets.key(orders).encrypt(DATA, aad=AAD)

    async def cold() -> None:
        await ring.inspect(await ring.key(orders).encrypt(DATA, aad=AAD))

    async def work() -> None:
        await cold()
        with pytest.raises(EventLoopError, match="another thread"):
            await asyncio.to_thread(asyncio.run, cold())
        await ring.close()

    asyncio.run(work())


def test_a_forked_child_begins_for_itself(database: Database, roots: RootKeys, orders: str, driver: str) -> None:
    engine = async_engine(database, driver, poolclass=sa.NullPool)
    ring = AsyncKeyRing(engine, roots)
    key = ring.key(orders)

    async def work() -> bytes:
        return await key.encrypt(DATA, aad=AAD)

    async def parent() -> None:
        await asyncio.gather(*(work() for _ in range(5)))
        blob = child(lambda write: write(asyncio.run(work()))).read_to_the_end()
        assert await key.decrypt(blob, aad=AAD) == DATA
        assert used(database, orders) == 8
        for expected in (8, 8, 16):  # the parent has what it had
            await work()
            assert used(database, orders) == expected
        await ring.close()

    asyncio.run(parent())


@pytest.mark.only_on("sqlite")
def test_it_counts_in_the_open_transaction_of_its_task(database: Database, roots: RootKeys, orders: str) -> None:
    """Another transaction would wait for it, also in tasks that this one waits for. A rollback takes no count."""

    async def work() -> None:
        async with opened(database, roots) as (ring, engine):
            key = ring.key(orders)
            for ending, counted in (("commit", 3), ("rollback", 6), ("close", 9)):
                async with engine.connect() as connection:
                    await connection.execute(sa.text(f"CREATE TABLE {ending}_{orders.replace('-', '_')} (note)"))
                    tasks = [asyncio.create_task(key.encrypt(DATA, aad=AAD)) for _ in range(2)]
                    assert not (await asyncio.wait(tasks, timeout=10))[1], "they wait for the task that waits for them"
                    await key.encrypt(DATA, aad=AAD)
                    if ending != "close":
                        await getattr(connection, ending)()
                assert used(database, orders) == counted
            async with engine.connect() as connection:
                await connection.execute(sa.text(f"CREATE TABLE note_{orders.replace('-', '_')} (note)"))
                with pytest.raises(DatabaseUnavailableError, match="transaction open"):
                    await ring.rotate(orders)

    asyncio.run(work())


@pytest.mark.only_on("sqlite")
def test_another_task_waits_for_the_transaction_of_a_task(database: Database, roots: RootKeys, orders: str) -> None:
    async def work() -> None:
        async with opened(database, roots) as (ring, engine):
            key = ring.key(orders)
            await key.encrypt(DATA, aad=AAD)
            has_begun, ends = asyncio.Event(), asyncio.Event()

            async def other() -> None:
                async with engine.begin() as connection:
                    await connection.execute(sa.text(f"CREATE TABLE other_{orders.replace('-', '_')} (note)"))
                    has_begun.set()
                    await asyncio.sleep(0.2)
                    ends.set()
                    await connection.rollback()

            task = asyncio.create_task(other())
            await has_begun.wait()
            await key.encrypt(DATA, aad=AAD)
            assert ends.is_set() or used(database, orders) == 1  # it has waited for the write lock
            await task
            assert used(database, orders) == 3

    asyncio.run(work())
