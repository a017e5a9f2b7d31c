"""Notices of PostgreSQL: a ring reads a row again when it is told to, at most once a second, and not only then."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.engine import create_engine
from kms_schema.keyring import AsyncKeyRing, CachePolicy, DatabaseUnavailableError, KeyRevokedError, KeyRing
from kms_schema.keyring.waiting import notices
from kms_schema.keyring.waiting.notices import CHANNEL
from support.engines import Database
from tests.keyring.processes import child
from tests.keyring.rings import AAD, DATA, DRIVERS, async_engine, rows, unreachable, value

pytestmark = pytest.mark.only_on("postgresql")

OLD = CachePolicy(max_age=3600)
LISTENING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


@pytest.fixture(autouse=True)
def _soon(_no_notices: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "FIRST_AFTER", 0.01)
    monkeypatch.setattr(notices, "RETRIED_AFTER", 0.05)


SOON = 3
"""Seconds within which a revocation is seen: a second, and what a loaded machine takes for it."""


def until(met: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def listeners(database: Database) -> list[int]:
    return [pid for (pid,) in rows(database, LISTENING)]


def notify(database: Database, *payloads: str) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        connection.execute("SELECT pg_notify(%s, each) FROM unnest(%s::text[]) AS each", [CHANNEL, list(payloads)])


@contextmanager
def listening(database: Database, roots: RootKeys, key_id: str) -> Iterator[tuple[KeyRing, bytes, list[str]]]:
    """A ring that relies on its cache for an hour and listens, with a ciphertext, and the statements of the ring."""
    engine = create_engine(database.url, poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=2)
    with KeyRing(engine, roots, cache=OLD) as ring:
        statements: list[str] = []
        sa.event.listen(ring._parts.storage._own[0], "before_cursor_execute", lambda *each: statements.append(each[2]))
        blob = ring.key(key_id).encrypt(DATA, aad=AAD)
        until(lambda: listeners(database))
        time.sleep(1.1)
        ring.key(key_id).decrypt(blob, aad=AAD)  # reads again what was read before it listened
        statements.clear()
        yield ring, blob, statements
    engine.dispose()
    until(lambda: not listeners(database))


def test_a_ring_that_is_closed_or_collected_leaves_no_socket_open(
    database: Database, roots: RootKeys, orders: str, recwarn: pytest.WarningsRecorder
) -> None:
    def use(*, closes: bool) -> None:
        ring = KeyRing(create_engine(database.url), roots)
        ring.key(orders).encrypt(DATA, aad=AAD)
        until(lambda: listeners(database))
        if closes:
            ring.close()

    for closes in (True, False):
        gc.collect()  # what earlier tests have left
        recwarn.clear()
        use(closes=closes)
        gc.collect()
        until(lambda: not [each for each in threading.enumerate() if each.name == notices.NAME])
        gc.collect()
        assert [each for each in recwarn if "unclosed <socket" in str(each.message)] == [], closes


def reads(statements: list[str]) -> int:
    return sum("WHERE version.ciphertext_tag = " in each for each in statements)


def test_a_revocation_in_another_process_is_seen_within_a_second(
    database: Database, roots: RootKeys, orders: str
) -> None:
    with listening(database, roots, orders) as (ring, blob, _):

        def work(write: Callable[[bytes], int]) -> None:
            with KeyRing(database.engine(), roots) as other:
                other.revoke(orders, reason="leaked")
            write(b".")

        assert child(work).read_to_the_end() == b"."
        began = time.monotonic()
        while time.monotonic() - began < SOON:
            try:
                ring.key(orders).decrypt(blob, aad=AAD)
            except KeyRevokedError:
                return
            time.sleep(0.02)
        pytest.fail("the revocation was not seen")


def test_a_flood_has_a_row_read_once_a_second(database: Database, roots: RootKeys, orders: str) -> None:
    with listening(database, roots, orders) as (ring, blob, statements):
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            notify(database, *(f"unknown-{number}" for number in range(2000)), orders, "x" * 7000)
            for _ in range(20):
                ring.key(orders).decrypt(blob, aad=AAD)
        assert 1 <= reads(statements) <= 1 + (time.monotonic() - began)
        statements.clear()
        time.sleep(1)
        notify(database, "unknown")
        ring.key(orders).decrypt(blob, aad=AAD)
        statements.clear()
        time.sleep(0.3)
        ring.key(orders).decrypt(blob, aad=AAD)
        assert statements == []  # a notice of another key is none


def test_a_connection_that_is_lost_is_opened_again_and_everything_is_read_again(
    *,
    database: Database,
    roots: RootKeys,
    orders: str,
    make_ring: Callable[..., KeyRing],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "RETRIED_AFTER", 5)
    with listening(database, roots, orders) as (ring, blob, _):
        with unreachable(database):
            assert ring.key(orders).decrypt(blob, aad=AAD) == DATA
        until(lambda: not listeners(database))
        make_ring().revoke(orders, reason="leaked")
        assert listeners(database) == [], "it was told, and had to read nothing again"
        until(lambda: listeners(database))

        def is_refused() -> bool:
            try:
                ring.key(orders).decrypt(blob, aad=AAD)
            except KeyRevokedError:
                return True
            return False

        until(is_refused, 5)


def test_a_notice_while_the_database_is_away_refuses_no_use(database: Database, roots: RootKeys, orders: str) -> None:
    with listening(database, roots, orders) as (ring, blob, _):
        ring.key(orders).encrypt(DATA, aad=AAD)  # a block of two, with one left
        with unreachable(database):
            ring._parts.versions.note_change(orders)
            time.sleep(1)
            try:
                ring.key(orders).encrypt(DATA, aad=AAD)
            except DatabaseUnavailableError as error:
                pytest.fail(str(error))
            assert ring.key(orders).decrypt(blob, aad=AAD) == DATA


def test_a_forked_child_listens_for_itself_and_a_ring_that_is_dropped_no_more(
    database: Database, roots: RootKeys, orders: str
) -> None:
    rings = [KeyRing(database.engine(), roots, cache=OLD)]
    blob = rings[0].key(orders).encrypt(DATA, aad=AAD)
    until(lambda: listeners(database))
    before = set(listeners(database))

    def work(write: Callable[[bytes], int]) -> None:
        rings[0].key(orders).decrypt(blob, aad=AAD)
        until(lambda: len(listeners(database)) == 2)
        rings[0].close()
        until(lambda: len(listeners(database)) == 1)
        write(b".")

    assert child(work).read_to_the_end() == b"."
    assert set(listeners(database)) == before
    rings.clear()
    gc.collect()
    until(lambda: not listeners(database))


async def decrypts(ring: AsyncKeyRing, key_id: str, blob: bytes) -> bool:
    try:
        await ring.key(key_id).decrypt(blob, aad=AAD)
    except KeyRevokedError:
        return False
    return True


@pytest.mark.parametrize("driver", DRIVERS["postgresql"])
def test_a_task_listens(database: Database, roots: RootKeys, orders: str, driver: str) -> None:
    async def work() -> None:
        engine = async_engine(database, driver, pool_size=1, max_overflow=0, pool_timeout=2)
        async with AsyncKeyRing(engine, roots, cache=OLD) as ring:
            blob = await ring.key(orders).encrypt(DATA, aad=AAD)

            async def until_listening(beside: set[int]) -> None:
                async with asyncio.timeout(15):
                    while not set(listeners(database)) - beside:
                        await asyncio.sleep(0.02)

            await until_listening(set())
            old = set(listeners(database))
            for pid in old:
                value(database, "SELECT pg_terminate_backend(:pid)", pid=pid)
            await until_listening(old)
            await asyncio.sleep(1.1)
            await ring.key(orders).decrypt(blob, aad=AAD)
            with KeyRing(database.engine(), roots) as other:
                other.revoke(orders, reason="leaked")
            deadline = time.monotonic() + SOON
            while await decrypts(ring, orders, blob):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
        assert len(asyncio.all_tasks()) == 1
        await engine.dispose()

    asyncio.run(work())
    until(lambda: not listeners(database))


def test_closing_ends_the_thread_at_once(
    database: Database, roots: RootKeys, orders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "_ENDS_WITHIN", 60.0)
    for wait in (True, False):
        ring = KeyRing(database.engine(), roots)
        ring.key(orders).encrypt(DATA, aad=AAD)
        if wait:
            until(lambda: listeners(database))
        began = time.monotonic()
        ring.close()
        assert time.monotonic() - began < 15
        assert not [each for each in threading.enumerate() if each.name == notices.NAME and wait]


def test_an_error_of_a_hook_of_the_application_ends_no_thread(database: Database, roots: RootKeys, orders: str) -> None:
    """A hook that fetches a token for the database raises its own errors, while that is away."""
    engine = create_engine(database.url, poolclass=sa.NullPool)
    tokens = [True]

    def fetch(*_: object) -> None:
        if not tokens[0]:
            raise LookupError("503")

    sa.event.listen(engine, "do_connect", fetch)
    with KeyRing(engine, roots, cache=OLD) as ring:
        ring.key(orders).encrypt(DATA, aad=AAD)
        until(lambda: listeners(database))
        tokens[0] = False
        tally = next(iter(ring._parts.versions.uses._tallies.values()))
        tally.encrypted(1)
        tally.due = 0
        assert ring._parts.versions.uses._write_hourly() > 0
        for pid in listeners(database):
            rows(database, "SELECT pg_terminate_backend(:pid)", pid=pid)
        until(lambda: not listeners(database))
        time.sleep(0.3)
        tokens[0] = True
        until(lambda: listeners(database))
    engine.dispose()


@pytest.mark.parametrize("driver", DRIVERS["postgresql"])
def test_an_error_of_a_hook_ends_no_task(database: Database, driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[object] = []

    def connect(engine: object) -> None:
        attempts.append(engine)
        raise LookupError("503")

    async def work() -> None:
        monkeypatch.setattr(notices, "listening", connect)
        engine = async_engine(database, driver)
        task = asyncio.create_task(notices.listen_in_task(engine.sync_engine, lambda _: None))
        while len(attempts) < 2 and not task.done():
            await asyncio.sleep(0.02)
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])
        await engine.dispose()

    asyncio.run(work())
