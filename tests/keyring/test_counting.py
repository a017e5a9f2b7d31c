"""Uses are counted in the database before their ciphertexts exist, in blocks that grow, and never beyond a limit."""

import asyncio
import os
import signal
import struct
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kms_schema.crypto import RootKeys
from kms_schema.keyring import AsyncKeyRing, KeyRing, UsageLimitError
from kms_schema.keyring.use.reserved_uses import FIRST_BYTES, MOST_BYTES_A_BLOCK, MOST_USES_A_BLOCK, Block
from kms_schema.keyring.waiting.waits import Waits
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.conftest import MakeRing
from tests.keyring.processes import Child, child
from tests.keyring.rings import AAD, DATA, async_engine, change, rows, used, value

VOLUME = (
    "SELECT v.data_volume_bytes FROM key_versions AS v JOIN key_masters AS m ON m.id = v.key_id WHERE m.key_id = :key"
)


def until_the_limit(ring: KeyRing, key_id: str, done: Callable[[], object]) -> None:
    """Encrypt, and call `done` for each ciphertext, until the limit of the key is reached."""
    key = ring.key(key_id)
    for _ in range(2000):
        try:
            key.encrypt(b"", aad=AAD)
        except UsageLimitError:
            return
        done()


class Refused(Exception):  # noqa: N818  (a stand for any error of the database)
    pass


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 1 << 18), st.integers(0, 3), st.booleans()), max_size=60))
def test_never_more_is_used_than_is_reserved(uses: list[tuple[int, int, bool]]) -> None:
    """Over sizes, blocks that are smaller than asked for, reservations that fail, and two processes."""
    blocks, reserved, taken = (Block(Waits()), Block(Waits())), [0, 0], [0, 0]
    for size, grant, second in uses:

        def reserve(asked: int, more: int, grant: int = grant) -> int:
            if grant == 0:
                raise Refused
            granted = min(asked, grant)
            reserved[0] += granted
            reserved[1] += more
            return granted

        try:
            blocks[second].take(size, reserve)
        except Refused:
            continue
        taken[0] += 1
        taken[1] += size
        assert taken[0] <= reserved[0]
        assert taken[1] <= reserved[1]


def test_blocks_grow_and_are_bounded() -> None:
    asked: list[tuple[int, int]] = []

    def reserve(uses: int, more: int) -> int:
        asked.append((uses, more))
        return uses

    block = Block(Waits())
    for _ in range(190_000):
        block.take(100, reserve)
    assert [uses for uses, _ in asked if uses] == [2**power for power in range(17)] + [MOST_USES_A_BLOCK]
    assert [more for _, more in asked if more] == [FIRST_BYTES << power for power in range(9)]
    assert sum(uses for uses, _ in asked) - 190_000 <= MOST_USES_A_BLOCK
    del asked[:]
    for _ in range(4):
        block.take(40 << 20, reserve)
    assert [more >> 20 for _, more in asked if more] == [32, 64, 64]  # MiB: the maximum of a block
    block.take(MOST_BYTES_A_BLOCK * 2, reserve)
    assert asked[-1][1] > MOST_BYTES_A_BLOCK  # never less than the message


def test_uses_and_bytes_are_counted(ring: KeyRing, orders: str, database: Database) -> None:
    for number in range(1, 12):
        ring.key(orders).encrypt(DATA, aad=AAD)
        assert number <= used(database, orders) <= 2 * number
    assert used(database, orders) == 15
    assert value(database, VOLUME, key=orders) == FIRST_BYTES
    ring.key(orders).encrypt(bytes(300_000), aad=AAD)
    assert value(database, VOLUME, key=orders) == 11 * len(DATA) + 300_000


def test_a_limit_is_used_up_exactly_and_no_further(ring: KeyRing, kek: str, database: Database) -> None:
    name, done = unique("limited"), []
    ring.create(name, under=kek, max_usage_count=100)
    blob = ring.key(name).encrypt(b"", aad=AAD)
    until_the_limit(ring, name, lambda: done.append(1))
    assert len(done) == 99
    assert used(database, name) == 100
    assert ring.key(name).decrypt(blob, aad=AAD) == b""
    with pytest.raises(UsageLimitError) as caught:
        ring.key(name).encrypt(b"", aad=AAD)
    assert (caught.value.key_id, caught.value.version) == (name, 1)
    ring.rotate(name)  # the limit is that of the live version
    assert ring.key(name).encrypt(b"", aad=AAD)


def test_four_processes_stay_within_a_limit(ring: KeyRing, kek: str, database: Database, roots: RootKeys) -> None:
    name = unique("limited")
    ring.create(name, under=kek, max_usage_count=400)

    def work(write: Callable[[bytes], int]) -> None:
        engine = database.engine()
        with KeyRing(engine, roots) as own:
            until_the_limit(own, name, lambda: write(b"."))

    children = [child(work) for _ in range(4)]
    done = sum(len(each.read_to_the_end()) for each in children)
    assert used(database, name) == 400
    assert 350 < done <= 400  # the rest was reserved when the limit was reached


def test_random_nonces_of_12_bytes_have_a_limit(ring: KeyRing, kek: str) -> None:
    name = unique("aes")
    ring.create(name, under=kek, algorithm="AES-256-GCM", used=2**31 - 1)
    ring.key(name).encrypt(DATA, aad=AAD)
    with pytest.raises(UsageLimitError, match=str(2**31)):
        ring.key(name).encrypt(DATA, aad=AAD)
    other = unique("xaes")
    ring.create(other, under=kek, used=2**31)
    ring.key(other).encrypt(DATA, aad=AAD)


def test_a_forked_child_reserves_for_itself(ring: KeyRing, orders: str, database: Database) -> None:
    blobs = [ring.key(orders).encrypt(DATA, aad=AAD) for _ in range(5)]
    assert used(database, orders) == 7

    def work(write: Callable[[bytes], int]) -> None:
        assert ring.key(orders).decrypt(blobs[0], aad=AAD) == DATA
        write(ring.key(orders).encrypt(DATA, aad=AAD))

    assert ring.key(orders).decrypt(child(work).read_to_the_end(), aad=AAD) == DATA
    assert used(database, orders) == 8
    for expected in (8, 8, 16):  # the parent has what it had
        ring.key(orders).encrypt(DATA, aad=AAD)
        assert used(database, orders) == expected


@pytest.mark.only_on("postgresql")
def test_a_forked_child_has_connections_of_its_own(ring: KeyRing, orders: str) -> None:
    """Two processes on one connection would read the answers of each other."""

    def backend() -> int:
        ring.key(orders).encrypt(DATA, aad=AAD)
        with ring._parts.storage.writers.connect() as connection:
            pid: int = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        return pid

    before = backend()
    assert backend() == before, "it is not pooled"

    def work(write: Callable[[bytes], int]) -> None:
        write(str(backend()).encode())

    assert int(child(work).read_to_the_end()) != before


def test_threads_share_what_is_reserved(ring: KeyRing, orders: str, database: Database) -> None:
    def work(number: int) -> None:
        key = ring.key(orders)
        for each in range(50):
            aad = f"{number}/{each}".encode()
            assert key.decrypt(key.encrypt(DATA, aad=aad), aad=aad) == DATA

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert used(database, orders) == 511


def test_a_key_that_another_process_rotated_goes_on_with_its_new_version(
    ring: KeyRing, orders: str, make_ring: MakeRing, database: Database
) -> None:
    """The row is not read again within `max_age`, but the next reservation finds that the version has ended."""
    ring.key(orders).encrypt(DATA, aad=AAD)
    make_ring().rotate(orders)
    assert ring.inspect(ring.key(orders).encrypt(DATA, aad=AAD)).version == 2
    assert used(database, orders) == 1


def test_a_limit_that_is_lowered_is_found_by_the_next_reservation(
    ring: KeyRing, orders: str, database: Database
) -> None:
    ring.key(orders).encrypt(DATA, aad=AAD)
    change(database, "UPDATE key_masters SET max_usage_count = 1 WHERE key_id = :key", key=orders)
    with pytest.raises(UsageLimitError):
        ring.key(orders).encrypt(DATA, aad=AAD)


WALKS, WALKS_OF_FULL = 2, 60
PROCESSES = 2
SIZES = (0, 10, 5_000, 70_000)
RECORD = struct.Struct(">IQ")
"""A ciphertext that exists: its tag, and the bytes of its plaintext."""
COUNTED = (
    "SELECT ciphertext_tag, usage_count, data_volume_bytes FROM key_versions"
    " WHERE key_id = (SELECT id FROM key_masters WHERE key_id = :key)"
)


def walk(database: Database, roots: RootKeys, key_id: str, seed: int, write: Callable[[bytes], int]) -> None:
    """Encrypt in changing ways, and say of each ciphertext that there is one, until this process is killed."""
    random, engine = Random(seed), database.engine()  # noqa: S311  (no secrets)
    ring = KeyRing(engine, roots)

    def use(size: int) -> None:
        blob = ring.key(key_id).encrypt(bytes(size), aad=AAD)
        write(RECORD.pack(int.from_bytes(blob[1:5], "big"), size))

    def in_a_transaction(size: int) -> None:
        # Killed within one, SQLite takes the count with what the transaction wrote: docs/keyring.md says so.
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT count(*) FROM key_masters"))
            if database.dialect == "postgresql":
                use(size)
            connection.rollback()

    def in_threads(size: int) -> None:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(use, [size] * 6))

    async def in_tasks(size: int) -> None:
        async with AsyncKeyRing(async_engine(database), roots) as awaited:

            async def one() -> None:
                blob = await awaited.key(key_id).encrypt(bytes(size), aad=AAD)
                write(RECORD.pack(int.from_bytes(blob[1:5], "big"), size))

            tasks = [asyncio.create_task(one()) for _ in range(6)]
            await asyncio.sleep(random.choice((0, 0.005, 1)))
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    while True:
        size, way = random.choice(SIZES), random.randrange(8)
        if way < 4:
            use(size)
        elif way < 6:
            in_threads(size)
        elif way < 7:
            in_a_transaction(size)
        else:
            asyncio.run(in_tasks(size))


def killed(process: Child, after: int) -> bytes:
    """Kill a process once it has made so many ciphertexts; return the records of all that it has made."""
    found = process.read_at_least(after * RECORD.size)
    os.kill(process.pid, signal.SIGKILL)
    return found + process.read_to_the_end()


def test_never_under_counted(
    ring: KeyRing, orders: str, database: Database, roots: RootKeys, pytestconfig: pytest.Config
) -> None:
    random, uses, volume = Random(19), Counter[int](), Counter[int]()  # noqa: S311  (no secrets)
    for _ in range(WALKS_OF_FULL if pytestconfig.getoption("--full") else WALKS):
        seeds = [random.randrange(10**9) for _ in range(PROCESSES)]
        processes = [child(lambda write, seed=seed: walk(database, roots, orders, seed, write)) for seed in seeds]
        for process in processes:
            for tag, size in RECORD.iter_unpack(killed(process, random.randrange(1, 50))):
                uses[tag] += 1
                volume[tag] += size
            ring.rotate(orders)
    counted = {tag: (used, size) for tag, used, size in rows(database, COUNTED, key=orders)}
    assert sum(uses.values()) > 0
    assert {
        tag: (uses[tag], volume[tag]) for tag in uses if uses[tag] > counted[tag][0] or volume[tag] > counted[tag][1]
    } == {}
