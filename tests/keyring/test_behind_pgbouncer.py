"""The ring behind a PgBouncer that pools transactions and does not follow prepared statements."""

import asyncio
import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.keyring import AsyncKeyRing, CachePolicy, DatabaseUnavailableError, KeyRing
from support.engines import Database
from support.engines.pgbouncer import pgbouncer
from support.programs.commands import kms_schema
from support.rows.smallest import unique
from tests.keyring.async_rings import async_engine
from tests.keyring.rings import AAD, DATA

pytestmark = pytest.mark.only_on("postgresql")

FEW = CachePolicy(max_messages=1)
"""Each use reads its key, and statements that are executed often are prepared by drivers."""


@pytest.fixture
def pooled(database: Database) -> Iterator[Database]:
    """The database behind the proxy."""
    with pgbouncer(database.url, "transaction", default_pool_size=4, max_prepared_statements=0) as url:
        yield dataclasses.replace(database, url=url)


def test_a_ring_and_its_commands(pooled: Database, roots: RootKeys, kek: str) -> None:
    """Of an engine of SQLAlchemy alone, whose driver prepares what it executes five times.

    Of several keys, since one key is read and counted by one thread at a time, and then always in one session.
    """
    engine = sa.create_engine(sa.make_url(pooled.url).set(drivername="postgresql+psycopg"))
    names = [unique("orders") for _ in range(4)]
    with KeyRing(engine, roots, cache=FEW) as ring, ThreadPoolExecutor(4) as pool:
        for name in names:
            ring.create(name, under=kek)

        def work(name: str) -> str:
            key = ring.key(name)
            try:
                return "".join(key.decrypt(key.encrypt(DATA, aad=AAD), aad=AAD).decode() for _ in range(24))
            except DatabaseUnavailableError as error:
                return str(error)

        assert list(pool.map(work, names)) == 4 * [24 * DATA.decode()]
        assert ring.rotate(names[0]).key_id == names[0]
    engine.dispose()
    assert names[0] in kms_schema("keys", "list", url=pooled.url).out


def test_a_driver_that_prepares_all_statements_is_refused_in_a_sentence(
    pooled: Database, roots: RootKeys, ring: KeyRing, kek: str
) -> None:
    """Of several keys, since one key is read and counted by one task at a time, and then always in one session."""
    names = [unique("orders") for _ in range(10)]
    for name in names:
        ring.create(name, under=kek)

    async def work(driver: str, rounds: int) -> None:
        async with AsyncKeyRing(async_engine(pooled, driver), roots, cache=FEW) as own:
            for _ in range(rounds):
                await asyncio.gather(*(own.key(name).encrypt(DATA, aad=AAD) for name in names))

    asyncio.run(work("psycopg", 2))
    with pytest.raises((DatabaseUnavailableError, sa.exc.DBAPIError)) as caught:
        asyncio.run(work("asyncpg", 20))
    assert isinstance(caught.value, DatabaseUnavailableError)
    assert "a proxy before it pools transactions, and the driver prepares" in str(caught.value)
