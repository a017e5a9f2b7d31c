"""Which use each status of a key and of a version allows, and the changes of status."""

import datetime as dt
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

import pytest

from kms_schema.keyring import (
    CachePolicy,
    KeyRevokedError,
    KeyRing,
    KeyRingError,
    KeyStateError,
    UnknownKeyError,
    VersionDestroyedError,
)
from support.engines import Database
from support.errors import raises
from support.rows.smallest import unique
from tests.keyring.conftest import MakeRing
from tests.keyring.rings import AAD, DATA, change, entries, value

Prepare = Callable[[KeyRing, Database, str], object]

SUPERSEDE = "UPDATE key_masters SET status = 'rotated' WHERE key_id = :key"
DESTROY = (
    "UPDATE key_versions SET encrypted_key_data = NULL, destroyed_at = deactivated_at WHERE deactivated_at IS NOT NULL"
    " AND key_id = (SELECT id FROM key_masters WHERE key_id = :key)"
)
END = (
    "UPDATE key_versions SET deactivated_at = activated_at"
    " WHERE key_id = (SELECT id FROM key_masters WHERE key_id = :key)"
)


def _archive(ring: KeyRing, _database: Database, key_id: str) -> None:
    ring.expire(key_id)
    ring.archive(key_id)


def _destroy(ring: KeyRing, database: Database, key_id: str) -> None:
    ring.rotate(key_id)
    change(database, DESTROY, key=key_id)


Refusal = tuple[type[KeyRingError], str | None]
REVOKED, DESTROYED = (KeyRevokedError, None), (VersionDestroyedError, None)
STATES: dict[str, tuple[Prepare, Refusal | None, Refusal | None]] = {
    "active": (lambda *_: None, None, None),
    "superseded": (
        lambda _ring, database, key: change(database, SUPERSEDE, key=key), (KeyStateError, "rotated"), None
    ),
    "expired": (lambda ring, _database, key: ring.expire(key), (KeyStateError, "expired"), None),
    "revoked": (lambda ring, _database, key: ring.revoke(key, reason="leaked"), REVOKED, REVOKED),
    "archived": (_archive, (KeyStateError, "archived"), (KeyStateError, "archived")),
    "ended": (lambda _ring, database, key: change(database, END, key=key), (KeyStateError, "no_live_version"), None),
    "destroyed": (_destroy, None, DESTROYED),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_who_may(ring: KeyRing, orders: str, make_ring: MakeRing, database: Database, state: str) -> None:
    """Both in a ring that has the version open, once it reads the row again, and in a new one."""
    prepare, encrypting, decrypting = STATES[state]
    known = make_ring(cache=CachePolicy(max_age=0.001))
    blob = known.key(orders).encrypt(DATA, aad=AAD)
    prepare(ring, database, orders)
    time.sleep(0.002)
    for each in (known, make_ring()):
        if encrypting is None:
            each.key(orders).encrypt(DATA, aad=AAD)
        else:
            with raises(*encrypting) as caught:
                each.key(orders).encrypt(DATA, aad=AAD)
            assert type(caught.value) is encrypting[0]
            assert caught.value.key_id == orders
        if decrypting is None:
            assert each.key(orders).decrypt(blob, aad=AAD) == DATA
        else:
            with raises(*decrypting) as caught:
                each.key(orders).decrypt(blob, aad=AAD)
            assert (type(caught.value), caught.value.key_id, caught.value.version) == (decrypting[0], orders, 1)
    refusals = [each for each in (encrypting, decrypting) if each is not None]
    recorded = {error.__name__ if reason is None else f"{error.__name__} ({reason})" for error, reason in refusals}
    assert {each["reason"] for each in entries(database, "KEY_USE_REFUSED", orders)} == recorded


def test_a_pending_key_is_not_used_until_it_is_activated(ring: KeyRing, kek: str, database: Database) -> None:
    name = unique("pending")
    change(
        database, "INSERT INTO key_masters (id, key_id, key_type, algorithm, key_size_bits)"
        " SELECT :id, :name, 'dek', 'XAES-256-GCM', 256", id=uuid.uuid4().hex, name=name,
    )  # fmt: skip
    with raises(KeyStateError, "pending"):
        ring.key(name).encrypt(DATA, aad=AAD)
    with raises(KeyStateError, "no_live_version", match=r"ring\.create"):
        ring.activate(name)
    assert ring.create(name, under=kek).version == 1  # the same call gives it a version
    assert ring.key(name).encrypt(DATA, aad=AAD)
    with raises(KeyStateError, "status_change", match="is active"):
        ring.activate(name)


def test_changes_of_status_that_are_refused(ring: KeyRing, orders: str, database: Database) -> None:
    with raises(KeyStateError, "status_change", match="cannot become archived"):
        ring.archive(orders)
    with pytest.raises(UnknownKeyError):
        ring.expire("missing")
    with pytest.raises(ValueError, match="reason"):
        ring.revoke(orders, reason=" ")
    ring.revoke(orders, reason="laptop lost", actor="alice")
    with raises(KeyStateError, "status_change"):
        ring.expire(orders)
    query = "SELECT status_reason FROM key_masters WHERE key_id = :key"
    assert value(database, query, key=orders) == "laptop lost"
    assert ring.archive(orders).status == "archived"


def test_a_key_expires_while_the_ring_has_it(ring: KeyRing, kek: str) -> None:
    """The row is not read again: the deadline is kept by the monotonic clock."""
    for seconds in (2, 6, 30):  # a machine under load takes longer than the first
        name, ends = unique("short"), dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        with suppress(KeyStateError):
            ring.create(name, under=kek, expires_at=ends)
            for _ in range(2):  # of a block of two, one is left
                blob = ring.key(name).encrypt(DATA, aad=AAD)
            break
    time.sleep(max(0.0, (ends - dt.datetime.now(dt.UTC)).total_seconds()) + 0.1)
    with raises(KeyStateError, "expired"):
        ring.key(name).encrypt(DATA, aad=AAD)
    assert ring.key(name).decrypt(blob, aad=AAD) == DATA


def test_decrypting_with_an_expired_key_lets_it_encrypt_no_more(
    ring: KeyRing, orders: str, make_ring: MakeRing
) -> None:
    """Its state is new then, and a reserved use is left."""
    known = make_ring(cache=CachePolicy(max_age=0.5))
    for _ in range(2):
        blob = known.key(orders).encrypt(DATA, aad=AAD)
    ring.expire(orders)
    time.sleep(0.5)
    assert known.key(orders).decrypt(blob, aad=AAD) == DATA
    with raises(KeyStateError, "expired"):
        known.key(orders).encrypt(DATA, aad=AAD)


def test_a_revoked_kek_wraps_no_more_and_what_is_under_it_opens(ring: KeyRing, make_ring: MakeRing) -> None:
    kek, name = unique("kek"), unique("orders")
    ring.create(kek, under="kms://root-2026", key_type="kek")
    ring.create(name, under=kek)
    blob = ring.key(name).encrypt(DATA, aad=AAD)
    ring.revoke(kek, reason="leaked")
    assert make_ring().key(name).decrypt(blob, aad=AAD) == DATA
