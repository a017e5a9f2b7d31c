"""P13: the key ring, compared with the same cipher in twenty lines that count, check and cache nothing."""

import asyncio
import os
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import in_turn
from kms_schema.crypto import RootKeys, Secret
from kms_schema.engine import configure
from kms_schema.keyring import AsyncKeyRing, KeyRing
from kms_schema.keyring.use.reserved_uses import FIRST_BYTES, MOST_USES_A_BLOCK
from support.engines import Database

ROOT = "kms://root"
DATA, AAD = secrets.token_bytes(100), b"invoice/17/iban"
BLOCK = 2**128 - 1
DRIVERS = {"postgresql": "asyncpg", "sqlite": "aiosqlite"}


def measure(places: Places) -> list[Measured]:
    """Encrypt in turn with the ring, with the asynchronous ring, and with the bare cipher."""
    uses = places.scale.rows
    with places.empty() as database, RootKeys({ROOT: Secret(bytearray(secrets.token_bytes(32)))}) as roots:
        engine = database.engine()
        with KeyRing(engine, roots) as ring:
            ring.create("bench", under=ROOT)
            statements = _reach_the_steady_state(ring)
            runs: dict[str, Callable[[], None]] = {
                "ring": partial(_repeat, partial(ring.key("bench").encrypt, DATA, aad=AAD), uses),
                "bare": partial(_repeat, partial(bare(secrets.token_bytes(32)), DATA, AAD), uses),
            }
            times = in_turn(runs, places.options.repetitions)
            counted = sum(not each.startswith("BEGIN") for each in statements)  # PostgreSQL's are sent by the driver
        engine.dispose()
        with asyncio.Runner() as runner:
            loops, engines = runner.run(_async_ring(database, roots))
            awaited = in_turn(
                {"awaited": lambda: runner.run(_repeat_awaited(loops, uses)), "bare": runs["bare"]},
                places.options.repetitions,
            )
            runner.run(loops.close())
            runner.run(engines.dispose())
    everything = uses * (places.options.repetitions + 1)
    # The row is read again when the ring begins to listen for notices, and `max_age` may end once.
    most = 2 + everything // MOST_USES_A_BLOCK
    return [
        Measured(
            "encrypt 100 bytes ÷ without a ring, rate", times["bare"].median / times["ring"].median,
            Limit(0.6, at_least=True), times,
        ),
        Measured(f"statements of {everything} encryptions in the steady state", counted, Limit(most)),
        Measured("to compare: encryptions a second", 1000 * uses / times["ring"].median, None),
        Measured(
            "to compare: encrypt, awaited ÷ without a ring, rate", awaited["bare"].median / awaited["awaited"].median,
            None, awaited,
        ),
    ]  # fmt: skip


def _reach_the_steady_state(ring: KeyRing) -> list[str]:
    """Open the version, reserve the first whole block, and return a list that later statements are added to."""
    ring.key("bench").encrypt(DATA, aad=AAD)
    _reserve_whole_blocks(ring)
    ring.key("bench").encrypt(bytes(FIRST_BYTES), aad=AAD)
    found: list[str] = []
    for engine in set(ring._parts.storage._own):
        sa.event.listen(engine, "before_cursor_execute", lambda *each: found.append(each[2]))
    return found


def _reserve_whole_blocks(ring: KeyRing) -> None:
    """Have the next block be of the size to which blocks grow after 65,535 uses."""
    opened = ring._parts.versions.cache.live("bench")
    assert opened is not None  # noqa: S101  (it was used just now)
    opened.block._next_uses, opened.block._next_bytes = MOST_USES_A_BLOCK, 10 * MOST_USES_A_BLOCK * len(DATA)


async def _async_ring(database: Database, roots: RootKeys) -> tuple[AsyncKeyRing, Any]:
    url = sa.make_url(database.url).set(drivername=f"{database.dialect}+{DRIVERS[database.dialect]}")
    engine = create_async_engine(url)
    configure(engine.sync_engine)
    ring = AsyncKeyRing(engine, roots)
    await ring.key("bench").encrypt(DATA, aad=AAD)
    _reserve_whole_blocks(ring.in_greenlets)
    return ring, engine


def _repeat(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


async def _repeat_awaited(ring: AsyncKeyRing, times: int) -> None:
    key = ring.key("bench")
    for _ in range(times):
        await key.encrypt(DATA, aad=AAD)


def bare(key: bytes) -> Callable[[bytes, bytes], bytes]:
    """Return a function that encrypts with XAES-256-GCM under Tink's prefix: what an application writes without a ring.

    Held against the cipher of the ring in tests/benchmarks.
    """
    aes = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305  (CMAC of the standard is made of it)
    zero = int.from_bytes(aes.update(bytes(16)), "big")
    subkey = (zero << 1 & BLOCK) ^ (0x87 if zero >> 127 else 0)
    prefix = b"\x01" + bytes(4)

    def encrypt(data: bytes, aad: bytes) -> bytes:
        nonce = os.urandom(24)
        derived = b""
        for counter in (b"\0\1X\0", b"\0\2X\0"):
            block = int.from_bytes(counter + nonce[:12], "big") ^ subkey
            derived += aes.update(block.to_bytes(16, "big"))
        return prefix + nonce + AESGCM(derived).encrypt(nonce[12:], data, aad)

    return encrypt
