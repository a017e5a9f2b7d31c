"""The isolation level of the ring's connections: set once, when they are opened, whatever the application's is."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.crypto import KeyWrapping, RootKeys, WrappingKeyError, plan, rewrap
from kms_schema.keyring import KeyInUseError, KeyRing
from support.engines import Database
from support.errors import raises
from tests.keyring.async_rings import SMALL_POOL, opened
from tests.keyring.rings import AAD, DATA, ROOT

pytestmark = pytest.mark.only_on("postgresql")


@pytest.mark.parametrize("level", ["SERIALIZABLE", "AUTOCOMMIT"])
def test_every_connection_of_the_ring_stays_at_it(level: str, database: Database, roots: RootKeys, orders: str) -> None:
    engine = sa.create_engine(sa.make_url(database.url).set(drivername="postgresql+psycopg"), isolation_level=level)

    def level_of(ring: KeyRing) -> tuple[str, bool]:
        with ring._parts.storage.writers.connect() as connection:
            driver: Any = connection.connection.driver_connection
            return connection.get_isolation_level(), driver.autocommit

    own = "READ COMMITTED", False
    with KeyRing(engine, roots) as ring:
        wrapping = KeyWrapping(roots)
        ring.key(orders).encrypt(DATA, aad=AAD)
        assert level_of(ring) == own
        with raises(KeyInUseError, "version"):
            ring.destroy_version(orders, 1)
        assert level_of(ring) == own
        for work in (rewrap, plan):
            with pytest.raises(WrappingKeyError):
                work(ring._parts.storage.writers, wrapping, ROOT, ROOT)
        assert level_of(ring) == own
    with engine.connect() as connection:  # the application's are as they were
        driver: Any = connection.connection.driver_connection
        assert ("AUTOCOMMIT" if driver.autocommit else connection.get_isolation_level()) == level
    engine.dispose()


def test_a_use_that_is_cancelled_loses_no_place_in_the_pool(
    database: Database, roots: RootKeys, orders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while the level of its connection is set or reset, as psycopg awaits that."""

    async def work() -> None:
        async with opened(database, roots, "psycopg", **SMALL_POOL, pool_timeout=3) as (ring, _):
            key, own = ring.key(orders), ring._ring._parts.storage.writers
            await asyncio.gather(*(key.encrypt(DATA, aad=AAD) for _ in range(3)))
            dialect: Any = type(own.dialect)
            set_level = dialect.set_isolation_level

            def cancelled(self: Any, connection: Any, level: Any) -> None:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                set_level(self, connection, level)

            with monkeypatch.context() as patch:
                patch.setattr(dialect, "set_isolation_level", cancelled)
                for _ in range(12):  # some of them lose nothing in any case
                    ring._ring._parts.versions.forget_process()  # read and reserved again
                    task = asyncio.create_task(key.encrypt(DATA, aad=AAD))
                    await asyncio.gather(task, return_exceptions=True)
            assert own.pool.checkedout() == 0  # type: ignore[attr-defined]
            ring._ring._parts.versions.forget_process()
            assert await key.decrypt(await key.encrypt(DATA, aad=AAD), aad=AAD) == DATA

    asyncio.run(work())
