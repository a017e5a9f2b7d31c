"""The asynchronous ring has each method of the synchronous one; rotations, columns and revoked keys, awaited."""

import asyncio
import inspect
import threading
import time
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.engine import synchronous_engine
from kms_schema.keyring import (
    AsyncKey,
    AsyncKeyRing,
    AsyncRevokedKey,
    DatabaseUnavailableError,
    DecryptionError,
    Key,
    KeyRing,
    RevokedKey,
    RingClosedError,
    RotationRun,
)
from kms_schema.keyring.formats.bound_data import bound_data
from support.engines import Database
from support.rows.smallest import unique
from support.statements import execute
from tests.keyring.due_keys import live, old_key, quarterly
from tests.keyring.rings import AAD, DATA, async_engine, entries, opened
from tools import async_methods

IN_GREENLETS = {"in_greenlets"}


@pytest.mark.parametrize("pair", [(KeyRing, AsyncKeyRing), (Key, AsyncKey), (RevokedKey, AsyncRevokedKey)])
def test_both_rings_have_the_same_methods_with_the_same_parameters(pair: tuple[type, type]) -> None:
    own, awaited = ({name for name in dir(each) if not name.startswith("_")} for each in pair)
    assert own <= awaited
    assert awaited - own <= IN_GREENLETS
    for name in (own & awaited) | ({"__init__"} if pair[0] is KeyRing else set()):
        first, second = (getattr(each, name) for each in pair)
        assert not callable(first) or parameters(first) == parameters(second), name


def test_the_methods_that_only_await_are_as_they_are_written() -> None:
    assert async_methods.FILE.read_text("utf-8") == async_methods.text(), "run tools/refresh --only docs"


def parameters(function: Any) -> dict[str, Any]:
    """Return kind and default of each parameter; functions as defaults are equal if they are of one name."""
    found = inspect.signature(function).parameters.values()
    return {each.name: (each.kind, getattr(each.default, "__name__", each.default)) for each in found}


@pytest.fixture(autouse=True, scope="module")
def _policy(database: Database) -> None:
    quarterly(database)


def test_a_worker_in_a_thread_rotates_while_tasks_run(
    ring: KeyRing, database: Database, roots: RootKeys, kek: str, driver: str
) -> None:
    name = old_key(ring, kek)

    async def work() -> RotationRun:
        async with opened(database, roots, driver) as (own, _):
            before = await own.key(name).encrypt(DATA, aad=AAD)
            threads: list[int] = []
            running = asyncio.ensure_future(
                own.run_rotations(worker="night-1", report=lambda _: threads.append(threading.get_ident()))
            )
            ticks = 0
            while not running.done():
                ticks += 1
                await asyncio.sleep(0.01)
            assert ticks > 1
            assert threading.get_ident() not in threads
            after = await own.key(name).encrypt(DATA, aad=AAD)
            assert (await own.inspect(after)).version == 2  # without waiting for max_age
            assert await own.key(name).decrypt(before, aad=AAD) == DATA
        return await running

    assert asyncio.run(work()).completed == 1
    assert live(database, name) == [2]


def test_a_cancelled_task_ends_its_worker(database: Database, roots: RootKeys) -> None:
    async def work() -> None:
        async with opened(database, roots) as (own, _):
            before = set(threading.enumerate())
            running = asyncio.ensure_future(own.run_rotations(worker="night-1", once=False, interval=3600))
            await asyncio.sleep(0.5)
            begun = time.monotonic()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert time.monotonic() - begun < 10
            assert all("asyncio" in each.name for each in set(threading.enumerate()) - before)

    asyncio.run(work())


@pytest.mark.only_on("postgresql")
def test_a_cancelled_rotation_that_waits_for_the_database_ends_at_once(
    orders: str, database: Database, roots: RootKeys, driver: str
) -> None:
    async def work() -> None:
        async with opened(database, roots, driver) as (own, _):
            with closing(database.connect()) as other:
                execute(other, "BEGIN")
                execute(other, "UPDATE key_masters SET status_reason = 'another' WHERE key_id = :key", {"key": orders})
                running = asyncio.ensure_future(own.rotate(orders))
                await asyncio.sleep(0.3)
                running.cancel()
                await asyncio.wait([running], timeout=10)
                assert running.cancelled()
            assert (await own.rotate(orders)).version == 2

    asyncio.run(work())


def test_a_url_that_is_not_enough_is_refused(database: Database) -> None:
    engine = async_engine(database).sync_engine
    assert synchronous_engine(engine).dialect.driver in ("psycopg", "pysqlite")
    url = {"sqlite": "sqlite+aiosqlite://", "postgresql": "postgresql+asyncpg://kms@localhost/kms?ssl=require"}
    with pytest.raises(TypeError, match=r"in memory|such as ssl"):
        synchronous_engine(sa.ext.asyncio.create_async_engine(url[database.dialect]).sync_engine)


@pytest.mark.only_on("sqlite")
def test_a_task_with_a_transaction_does_not_wait_for_its_own_worker(database: Database, roots: RootKeys) -> None:
    async def work() -> None:
        async with opened(database, roots) as (own, engine), engine.begin() as connection:
            await connection.execute(sa.text("UPDATE key_masters SET key_id = key_id WHERE false"))
            with pytest.raises(DatabaseUnavailableError, match="end it first"):
                await own.run_rotations(worker="night-1")

    asyncio.run(work())


def test_a_column_and_a_revoked_key(
    *, ring: KeyRing, database: Database, sql_engine: sa.Engine, roots: RootKeys, kek: str, driver: str
) -> None:
    old, new = unique("orders"), unique("orders")
    for name in (old, new):
        ring.create(name, under=kek)
    table = sa.Table(
        unique("invoices").replace("-", "_"), sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True), sa.Column("iban", sa.LargeBinary),
    )  # fmt: skip
    table.create(sql_engine)
    blob = ring.key(old).encrypt(DATA, aad=AAD)
    with sql_engine.begin() as connection:
        made: Any = ring.key(old).encrypt(DATA, aad=bound_data(table.name, "iban", None))
        connection.execute(table.insert().values(id=1, iban=made))

    async def work() -> None:
        async with opened(database, roots, driver) as (own, _):
            await own.revoke(old, reason="leaked", now=True)
            done = await own.reencrypt_column(f"{table.name}.iban", old, to=new, from_revoked="incident 4711")
            assert (done.replaced, done.left) == (1, 0)
            key = await own.revoked_key(old, reason="incident 4712", actor="alice")
            assert await key.decrypt(blob, aad=AAD) == DATA
            with pytest.raises(DecryptionError):
                await key.decrypt(blob, aad=b"")
            await own.close()
            with pytest.raises(RingClosedError):
                await key.decrypt(blob, aad=AAD)

    try:
        asyncio.run(work())
    finally:
        table.drop(sql_engine)
    assert [each["reason"] for each in entries(database, "REVOKED_KEY_OPENED", old)] == [
        "incident 4711",
        "incident 4712",
    ]
