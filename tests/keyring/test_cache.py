"""What the ring keeps in memory: for how long, how much, and without a database."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.engine import create_engine
from kms_schema.keyring import (
    CachePolicy,
    DatabaseUnavailableError,
    DecryptionError,
    KeyRevokedError,
    KeyRing,
    KeyStateError,
)
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.conftest import MakeRing
from tests.keyring.rings import AAD, DATA, entries, unreachable


def test_a_revocation_is_seen_within_max_age(ring: KeyRing, orders: str, make_ring: MakeRing) -> None:
    other = make_ring(cache=CachePolicy(max_age=0.5))
    began = time.monotonic()
    blob = other.key(orders).encrypt(DATA, aad=AAD)
    ring.revoke(orders, reason="leaked")
    if time.monotonic() - began < 0.4:  # it relies on what it has read
        assert other.key(orders).decrypt(blob, aad=AAD) == DATA
    time.sleep(0.5)
    for use in (lambda: other.key(orders).decrypt(blob, aad=AAD), lambda: other.key(orders).encrypt(DATA, aad=AAD)):
        with pytest.raises(KeyRevokedError):
            use()


def test_after_a_rotation_by_others_the_first_use_may_decrypt(ring: KeyRing, orders: str, make_ring: MakeRing) -> None:
    """Then the state of the old version is read again: it ended, and the key still encrypts, with the new version."""
    other = make_ring(cache=CachePolicy(max_age=0.3))
    blob = other.key(orders).encrypt(DATA, aad=AAD)
    ring.rotate(orders)
    time.sleep(0.3)
    assert other.key(orders).decrypt(blob, aad=AAD) == DATA
    refused = new = None
    try:
        new = other.key(orders).encrypt(DATA, aad=AAD)
    except KeyStateError as error:
        refused = error
    assert (refused, new and other.inspect(new).version) == (None, 2)


@pytest.mark.parametrize("policy", [CachePolicy(max_messages=2), CachePolicy(max_bytes=2 * len(DATA))], ids=repr)
def test_a_row_is_read_again_after_so_many_messages_or_bytes(
    ring: KeyRing, orders: str, make_ring: MakeRing, policy: CachePolicy
) -> None:
    other = make_ring(cache=policy)
    blob = other.key(orders).encrypt(DATA, aad=AAD)
    other.key(orders).encrypt(DATA, aad=AAD)
    ring.revoke(orders, reason="leaked")
    with pytest.raises(KeyRevokedError):
        other.key(orders).decrypt(blob, aad=AAD)


def test_an_unknown_tag_costs_one_statement_a_second(
    ring: KeyRing, orders: str, kek: str, make_ring: MakeRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random tags, one of another key, one of a revoked key, and one that another process makes live meanwhile."""
    own, other, moved = make_ring(), unique("orders"), unique("orders")
    monkeypatch.setattr("kms_schema.keyring.use.cache._MOST_REFUSED", 4)
    ring.create(other, under=kek)
    blob, of_other = (own.key(name).encrypt(DATA, aad=AAD) for name in (orders, other))
    revoked = ring.key(other).encrypt(DATA, aad=AAD)
    ring.revoke(other, reason="leaked")
    own._parts.versions.cache.clear()

    def statements(name: str, sent: bytes) -> int:
        read: list[str] = []
        count = partial(_count, read)
        sa.event.listen(sa.Engine, "before_cursor_execute", count)
        try:
            with pytest.raises((DecryptionError, KeyRevokedError)):
                own.key(name).decrypt(sent, aad=AAD)
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", count)
        return len([each for each in read if "ciphertext_tag =" in each])

    drawn = blob[:1] + (7).to_bytes(4) + blob[5:]
    for name, sent in ((orders, drawn), (orders, of_other), (other, revoked)):
        assert [statements(name, sent) for _ in range(3)] == [1, 0, 0]
    for tag in range(8, 20):
        assert statements(orders, blob[:1] + tag.to_bytes(4) + blob[5:]) == 1
    assert len(own._parts.versions.cache._refused) == 4
    assert statements(moved, blob[:1] + (21).to_bytes(4) + blob[5:]) == 1
    ring.create(moved, under=kek, ciphertext_tag=21, material=bytes(range(32)))  # as another process does
    sent = ring.key(moved).encrypt(DATA, aad=AAD)
    assert statements(moved, sent) == 0
    monkeypatch.setattr("kms_schema.keyring.use.cache.NOTICED_EVERY", 0.0)  # a second later
    assert own.key(moved).decrypt(sent, aad=AAD) == DATA
    assert statements(orders, drawn) == 1


def _count(read: list[str], _connection: object, _cursor: object, statement: str, *_rest: object) -> None:
    read.append(statement)


def test_without_a_database(database: Database, roots: RootKeys, kek: str) -> None:
    """Within `max_age` both directions; then decrypting for `stale_decrypt`; then none; and all with a database."""
    engine = create_engine(database.url, poolclass=sa.NullPool)
    with (
        KeyRing(engine, roots, cache=CachePolicy(max_age=0.4, stale_decrypt=60)) as patient,
        KeyRing(engine, roots, cache=CachePolicy(max_age=0.4)) as strict,
    ):
        name = unique("orders")
        strict.create(name, under=kek)
        unknown = strict.key(name).encrypt(DATA, aad=AAD)
        for _ in range(2):  # a block of two, with one left
            blob = patient.key(name).encrypt(DATA, aad=AAD)
        with unreachable(database):
            time.sleep(0.4)
            assert patient.key(name).decrypt(blob, aad=AAD) == DATA
            assert patient.key(name).decrypt(unknown, aad=AAD) == DATA
            for ring in (patient, strict):
                with pytest.raises(DatabaseUnavailableError) as caught:
                    ring.key(name).encrypt(DATA, aad=AAD)
                assert caught.value.key_id == name
            with pytest.raises(DatabaseUnavailableError):
                strict.key(name).decrypt(blob, aad=AAD)
        for ring in (patient, strict):
            assert ring.key(name).decrypt(ring.key(name).encrypt(DATA, aad=AAD), aad=AAD) == DATA
    engine.dispose()


def test_a_dead_connection_in_the_pool_is_replaced(ring: KeyRing, orders: str, database: Database) -> None:
    ring.key(orders).encrypt(DATA, aad=AAD)
    with unreachable(database):
        pass
    for _ in range(3):
        ring.key(orders).encrypt(DATA, aad=AAD)


def test_more_keys_than_fit(ring: KeyRing, kek: str, make_ring: MakeRing) -> None:
    """Threads use versions while others evict them: no call fails."""
    names = [unique("many") for _ in range(12)]
    for name in names:
        ring.create(name, under=kek)
    small = make_ring(cache=CachePolicy(max_keys=3))

    def work(number: int) -> None:
        for each in range(len(names)):
            key = small.key(names[(number + each) % len(names)])
            assert key.decrypt(key.encrypt(DATA, aad=AAD), aad=AAD) == DATA

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(0, 12, 3)))
    assert len(small._parts.versions.cache._versions) <= 3


def test_the_first_use_of_many_threads_reads_and_opens_once(
    orders: str, make_ring: MakeRing, database: Database, ring: KeyRing
) -> None:
    del ring
    fresh = make_ring()
    statements: list[str] = []
    for engine in set(fresh._parts.storage._own):
        sa.event.listen(engine, "before_cursor_execute", lambda *each: statements.append(each[2]))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: fresh.key(orders).encrypt(DATA, aad=AAD), range(8)))
    assert sum("1 AS is_live" in each for each in statements) == 1
    assert len(entries(database, "KEY_USED", orders)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_age": 0}, {"max_age": 3601}, {"max_age": float("nan")}, {"stale_decrypt": -1}, {"max_keys": 0},
        {"stale_decrypt": float("inf")}, {"max_messages": 0}, {"max_bytes": 0},
    ],
    ids=repr,
)  # fmt: skip
def test_policies_that_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CachePolicy(**wrong)  # type: ignore[arg-type]
