"""Over walks of processes that are killed anywhere, no version is used more often than the database has counted."""

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

from kms_schema.crypto import RootKeys
from kms_schema.keyring import AsyncKeyRing, KeyRing
from support.engines import Database
from tests.keyring.async_rings import async_engine
from tests.keyring.processes import Child, child
from tests.keyring.rings import AAD, rows

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
