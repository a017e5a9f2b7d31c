"""Entries about the use of keys."""

import asyncio
import os

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.keyring import AsyncKeyRing, KeyRevokedError, KeyRing
from kms_schema.keyring.use import audit_entries
from support.engines import Database
from tests.audit.standbys import wait_for
from tests.keyring.conftest import MakeRing
from tests.keyring.processes import child
from tests.keyring.rings import AAD, DATA, async_engine, entries, value


def test_a_process_says_when_it_opens_a_version_and_what_it_used_at_the_end(
    ring: KeyRing, orders: str, database: Database
) -> None:
    blobs = [ring.key(orders).encrypt(DATA, aad=AAD) for _ in range(5)]
    ring.key(orders).decrypt(blobs[0], aad=AAD)
    (first,) = entries(database, "KEY_USED", orders)
    assert (first["version"], first["encryptions"], first["process"].rpartition(":")[2]) == (1, 0, str(os.getpid()))
    ring.close()
    _, last = entries(database, "KEY_USED", orders)
    assert (last["encryptions"], last["decryptions"], last["bytes"]) == (5, 1, 5 * len(DATA))


def test_an_hour_later_it_says_so_also_where_nothing_is_used_any_more(
    ring: KeyRing, orders: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_entries, "USED_EVERY", 0.3)

    def encryptions() -> list[int]:
        return [each["encryptions"] for each in entries(database, "KEY_USED", orders)]

    for _ in range(3):
        ring.key(orders).encrypt(DATA, aad=AAD)
    wait_for(lambda: sum(encryptions()) == 3, "the entry is not written")
    before = encryptions()
    ring.key(orders).encrypt(DATA, aad=AAD)
    wait_for(lambda: sum(encryptions()) == 4, "the entry of the next hour is not written")
    assert encryptions() == [*before, 1]  # none about an hour without a use
    ring.close()
    assert encryptions() == [*before, 1]


def test_a_task_says_so_in_an_event_loop(
    database: Database, roots: RootKeys, orders: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the next event loop, too."""
    monkeypatch.setattr(audit_entries, "USED_EVERY", 0.3)
    ring = AsyncKeyRing(async_engine(database, driver, poolclass=sa.NullPool), roots)

    async def use() -> None:
        written = len(entries(database, "KEY_USED", orders))
        await ring.key(orders).encrypt(DATA, aad=AAD)
        async with asyncio.timeout(20):
            while sum(each["encryptions"] for each in entries(database, "KEY_USED", orders)[written:]) < 1:
                await asyncio.sleep(0.02)

    asyncio.run(use())
    asyncio.run(use())
    asyncio.run(ring.close())


def test_a_forked_process_has_entries_of_its_own(ring: KeyRing, orders: str, database: Database) -> None:
    for _ in range(3):
        ring.key(orders).encrypt(DATA, aad=AAD)

    def work(_write: object) -> None:
        ring.key(orders).encrypt(DATA, aad=AAD)
        ring.close()

    child(work).read_to_the_end()
    ring.close()
    found = [(each["process"], each["encryptions"]) for each in entries(database, "KEY_USED", orders)]
    assert [counts for _, counts in found] == [0, 0, 1, 3]
    assert found[0][0] == found[3][0] != found[1][0] == found[2][0]


def test_a_refusal_is_written_once_a_minute_for_each_reason(
    ring: KeyRing, orders: str, make_ring: MakeRing, database: Database
) -> None:
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    ring.revoke(orders, reason="leaked")
    for _ in range(3):
        with pytest.raises(KeyRevokedError):
            ring.key(orders).encrypt(DATA, aad=AAD)
        with pytest.raises(KeyRevokedError):
            ring.key(orders).decrypt(blob, aad=AAD)
    (refused,) = entries(database, "KEY_USE_REFUSED", orders)
    assert (refused["reason"], refused["version"]) == ("KeyRevokedError", None)
    category = "SELECT event_category FROM key_audit_logs WHERE event_type = 'KEY_USE_REFUSED' LIMIT 1"
    assert value(database, category) == "SECURITY"
    with pytest.raises(KeyRevokedError):
        make_ring().key(orders).decrypt(blob, aad=AAD)
    assert len(entries(database, "KEY_USE_REFUSED", orders)) == 2  # another ring
