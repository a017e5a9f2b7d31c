"""What the ring sets in its connections, whatever others say: the isolation level, and how durably it commits."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema.crypto import KeyWrapping, RootKeys, WrappingKeyError, plan, rewrap
from kms_schema.keyring import KeyInUseError, KeyRing
from support.engines import Database
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs
from support.errors import raises
from support.programs.commands import kms_schema
from support.rows.smallest import unique
from support.statements import execute
from tests.audit.standbys import wait_for
from tests.keyring.rings import AAD, DATA, ROOT, SMALL_POOL, change, opened, used

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


@contextmanager
def committed_levels(database: Database, level: str) -> Iterator[set[str]]:
    """Set the level of the database, and yield those with which transactions that have written are committed."""
    found: set[str] = set()

    def before_commit(connection: sa.Connection) -> None:
        query = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL, current_setting('synchronous_commit')"
        has_written, its_level = connection.exec_driver_sql(query).one()
        if has_written:
            found.add(its_level)

    change(database, f'ALTER DATABASE "{database.name}" SET synchronous_commit = {level}')
    sa.event.listen(sa.Engine, "commit", before_commit)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "commit", before_commit)
        change(database, f'ALTER DATABASE "{database.name}" RESET synchronous_commit')


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("off", "on"),
        pytest.param("local", "on", marks=pytest.mark.full),
        ("remote_write", "remote_write"),
    ],
)
def test_what_the_ring_commits_is_on_the_disk(*, database: Database, roots: RootKeys, given: str, kept: str) -> None:
    kek, name, engine = unique("kek"), unique("orders"), database.engine()
    with committed_levels(database, given) as found, KeyRing(engine, roots) as ring:
        for work in (
            lambda: ring.create(kek, under=ROOT, key_type="kek"),
            lambda: ring.create(name, under=kek),
            lambda: ring.key(name).encrypt(DATA, aad=AAD),
            lambda: ring.rotate(name),
            lambda: ring.rotate(kek),
            lambda: ring.run_rotations(worker="w"),
            lambda: rewrap(engine, KeyWrapping(roots), f"{kek}:1", f"{kek}:2"),
            lambda: ring.destroy_version(name, 1, erase_data=True),
            lambda: ring.revoke(name, reason="leaked", now=True),
            lambda: ring.revoked_key(name, reason="incident"),
        ):
            work()
            assert found <= {kept}
        assert found == {kept}
    engine.dispose()


@pytest.mark.full
def test_a_crash_of_the_server_takes_no_count(engine_name: str, roots: RootKeys) -> None:
    """The server says `off`, and its process that writes the log sleeps longer than the test runs."""
    options = ("--set", "synchronous_commit=off", "--set", "wal_writer_delay=10s")
    server = PostgresqlEngine(engine_name, find_programs(int(engine_name.removeprefix("postgresql-"))), options)
    try:
        own = server.create(None)
        assert kms_schema("upgrade", url=own.url).status == 0
        engine = own.engine()
        ring = KeyRing(engine, roots)
        ring.create("kek", under=ROOT, key_type="kek")
        ring.create("orders", under="kek")
        began = "SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
        with closing(own.connect()) as connection:
            (process,) = execute(connection, "SELECT pg_backend_pid()").fetchone()
            before = execute(connection, began).fetchone()
            for _ in range(1000):
                ring.key("orders").encrypt(DATA, aad=AAD)
            os.kill(process, signal.SIGKILL)  # the server ends all others, and starts from what is on the disk

        def is_up() -> bool:
            with suppress(psycopg.OperationalError), closing(own.connect()) as connection:
                return execute(connection, began).fetchone() not in (None, before)
            return False

        wait_for(is_up, "the server does not start again")
        assert used(own, "orders") >= 1000
    finally:
        server.close()
