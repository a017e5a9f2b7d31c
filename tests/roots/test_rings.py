"""Key rings whose root is in a token: many tasks, threads and processes at once."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyRing
from kms_schema.roots import create_root
from support.engines import Database
from support.engines.softhsm import SoftHsm
from tests.keyring.processes import child
from tests.keyring.rings import AAD, DATA, ROOT, opened

NAMES = ("orders", "invoices", "users")


@pytest.fixture
def roots(hsm: SoftHsm) -> Iterator[RootKeys]:
    hsm.make_token("kms")
    with RootKeys({ROOT: create_root(hsm.uri("kms", "root"))}) as made:
        yield made


@pytest.fixture
def blobs(database: Database, roots: RootKeys) -> dict[str, bytes]:
    """A ciphertext of each of a few keys under the token."""
    engine = database.engine()
    with KeyRing(engine, roots) as ring:
        for name in NAMES:
            ring.create(name, under=ROOT)
        made = {name: ring.key(name).encrypt(DATA, aad=AAD) for name in NAMES}
    engine.dispose()
    return made


def test_tasks_of_an_event_loop_open_keys_under_a_token(
    database: Database, roots: RootKeys, blobs: dict[str, bytes]
) -> None:
    async def work() -> None:
        async with opened(database, roots) as (ring, _):
            found = await asyncio.gather(
                *(ring.key(name).decrypt(blob, aad=AAD) for name, blob in blobs.items() for _ in range(10))
            )
            assert set(found) == {DATA}

    asyncio.run(work())


def test_threads_and_forked_children_share_a_ring_under_a_token(
    database: Database, roots: RootKeys, blobs: dict[str, bytes]
) -> None:
    engine = database.engine()

    def decrypted(name: str) -> bytes:
        return ring.key(name).decrypt(blobs[name], aad=AAD)

    with KeyRing(engine, roots) as ring, ThreadPoolExecutor(6) as pool:
        assert decrypted(NAMES[0]) == DATA
        forked = child(lambda write: write(b"".join(map(decrypted, NAMES))))
        assert set(pool.map(decrypted, NAMES * 4)) == {DATA}
        assert forked.read_to_the_end() == DATA * len(NAMES)
    engine.dispose()


@pytest.mark.parametrize("children", [2, pytest.param(60, marks=pytest.mark.full)])
def test_no_child_waits_for_a_lock_that_another_thread_had(
    database: Database, roots: RootKeys, blobs: dict[str, bytes], children: int
) -> None:
    """Four threads open keys for the first time all the while: in the database, and in the token."""
    engine, is_over = database.engine(), threading.Event()

    def all_open() -> bool:
        with KeyRing(engine, roots) as ring:
            return all(ring.key(name).decrypt(blobs[name], aad=AAD) == DATA for name in NAMES)

    def until_the_end(_: int) -> bool:
        found = all_open()
        while found and not is_over.is_set():
            found = all_open()
        return found

    def work(write: Callable[[bytes], int]) -> None:
        write(str(all_open()).encode())

    with ThreadPoolExecutor(4) as pool:
        busy = pool.map(until_the_end, range(4))
        try:
            answers = {child(work).read_within(30) for _ in range(children)}
        finally:
            is_over.set()
        assert all(busy)
    assert answers == {b"True"}
    engine.dispose()
