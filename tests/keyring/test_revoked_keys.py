"""A revoked key opens for who rotates keys, after an entry in the audit log."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.keyring import (
    DecryptionError,
    KeyNotPermittedError,
    KeyRevokedError,
    KeyRing,
    KeyRingError,
    KeyStateError,
    RevokedKey,
    RingClosedError,
    VersionDestroyedError,
)
from kms_schema.keyring.formats.bound_data import bound_data
from kms_schema.roles.definition import Role
from support.engines import Database
from support.errors import raises
from support.rows.smallest import unique
from tests.keyring.conftest import Keys, MakeRing
from tests.keyring.invoices import invoices, reencrypt, stored
from tests.keyring.processes import child
from tests.keyring.rings import AAD, DATA, entries, ring_as, rows
from tests.roles.granted import Granted


def test_a_revoked_key_opens_after_an_entry(
    *, ring: KeyRing, orders: str, database: Database, keys: Keys, root: tuple[str, str], tmp_path: Path
) -> None:
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    source = tmp_path / "report.kms"
    (tmp_path / "report").write_bytes(DATA)
    assert keys("encrypt", orders, str(tmp_path / "report"), "--output", str(source), *root).status == 0
    with raises(KeyStateError, "status_change", match="not revoked"):
        ring.revoked_key(orders, reason="incident")
    ring.revoke(orders, reason="leaked")
    with pytest.raises(KeyRevokedError):
        ring.key(orders).decrypt(blob, aad=AAD)
    with pytest.raises(ValueError, match="reason"):
        ring.revoked_key(orders, reason=" ")
    assert entries(database, "REVOKED_KEY_OPENED", orders) == []
    old = ring.revoked_key(orders, reason="incident 4711", actor="alice")
    assert entries(database, "REVOKED_KEY_OPENED", orders)[0]["reason"] == "incident 4711"
    assert old.decrypt(blob, aad=AAD) == DATA
    for changed, aad in ((blob[:-1], AAD), (blob, b""), (b"x" * 60, AAD)):
        with pytest.raises(DecryptionError):
            old.decrypt(changed, aad=aad)
    old.close()
    target = tmp_path / "copy"
    words = ("decrypt", orders, str(source), "--output", str(target), *root)
    assert keys(*words).status == 1
    assert keys(*words, "--from-revoked", "incident 4712", "--actor", "bob").status == 0
    assert target.read_bytes() == DATA
    found = (
        "SELECT user_id, security_level FROM key_audit_logs WHERE event_type = 'REVOKED_KEY_OPENED' ORDER BY sequence"
    )
    assert rows(database, found)[-2:] == [("alice", "HIGH"), ("bob", "HIGH")]


ENDINGS: dict[
    str, tuple[Callable[[KeyRing, KeyRing, str, RevokedKey], object], type[KeyRingError], str | None]
] = {
    "the version is destroyed": (
        lambda ring, _other, key, _old: ring.destroy_version(key, 1, erase_data=True), VersionDestroyedError, None,
    ),
    "another ring destroys it": (
        lambda _ring, other, key, _old: other.destroy_version(key, 1, erase_data=True), VersionDestroyedError, None,
    ),
    "the key is archived": (lambda _ring, other, key, _old: other.archive(key), KeyStateError, "archived"),
    "the ring is closed": (lambda ring, _other, _key, _old: ring.close(), RingClosedError, None),
    "it is closed": (lambda _ring, _other, _key, old: old.close(), RingClosedError, None),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_opened_revoked_key_ends_with_its_version_its_status_and_its_ring(
    *, ring: KeyRing, make_ring: MakeRing, orders: str, ending: str
) -> None:
    """Messages, and streams that have begun."""
    key = ring.key(orders)
    blob, stream = key.encrypt(DATA, aad=AAD), b"".join(key.encrypt_stream(io.BytesIO(bytes(3 << 20)), aad=AAD))
    make_ring().revoke(orders, reason="leaked")
    old = ring.revoked_key(orders, reason="incident")
    parts = old.decrypt_stream(io.BytesIO(stream), aad=AAD)
    assert next(parts)
    assert old.decrypt(blob, aad=AAD) == DATA
    work, error, reason = ENDINGS[ending]
    work(ring, make_ring(), orders, old)
    with raises(error, reason):
        old.decrypt(blob, aad=AAD)
    with raises(error, reason):
        list(parts)
    assert old._ciphers == {}, "its material is in memory"


def test_a_forked_process_opens_a_revoked_key_itself(ring: KeyRing, orders: str, database: Database) -> None:
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    ring.revoke(orders, reason="leaked")
    old = ring.revoked_key(orders, reason="incident")

    def work(write: Callable[[bytes], int]) -> None:
        with pytest.raises(RingClosedError):
            old.decrypt(blob, aad=AAD)
        write(ring.revoked_key(orders, reason="again").decrypt(blob, aad=AAD))

    assert child(work).read_to_the_end() == DATA
    assert old.decrypt(blob, aad=AAD) == DATA
    assert len({each["process"] for each in entries(database, "REVOKED_KEY_OPENED", orders)}) == 2


def test_nothing_that_outlives_its_ring_reaches_the_database(make_ring: MakeRing, kek: str) -> None:
    """A worker that stays ends when the ring is closed, and a key that was taken from it reads nothing."""
    ring, stop = make_ring(), threading.Event()
    run = partial(ring.run_rotations, worker="w", once=False, interval=0.05, stop=stop)
    with ThreadPoolExecutor(1) as pool:
        try:
            running = pool.submit(run)
            ring.close()
            assert wait([running], timeout=20).done, "it goes on"
            assert isinstance(running.exception(), RingClosedError)
        finally:
            stop.set()
    with pytest.raises(RingClosedError):
        ring.key(kek).encrypt(DATA, aad=AAD)


def test_a_column_of_a_revoked_key_moves_to_another_key(
    *, ring: KeyRing, orders: str, kek: str, database: Database, sql_engine: sa.Engine, root: tuple[str, str]
) -> None:
    columns = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("iban", sa.LargeBinary))
    other = unique("orders")
    ring.create(other, under=kek)
    with invoices(ring, sql_engine, *columns) as table:
        aad = bound_data(table.name, "iban")
        with sql_engine.begin() as connection:
            connection.execute(table.insert().values(id=1, iban=ring.key(orders).encrypt(DATA, aad=aad)))
        ring.revoke(orders, reason="leaked")
        assert reencrypt(database, table, orders, "--to", other, *root).status == 1
        assert reencrypt(database, table, orders, "--from-revoked", "move", *root).status == 2
        assert reencrypt(database, table, orders, "--to", other, "--from-revoked", "move", *root).status == 0
        assert ring.key(other).decrypt(stored(database, table)[1], aad=aad) == DATA
        assert entries(database, "REVOKED_KEY_OPENED", orders)[0]["reason"] == "move"


@pytest.mark.only_on("postgresql")
def test_only_who_rotates_keys_opens_a_revoked_one(
    granted: Granted, roots: RootKeys, ring: KeyRing, orders: str, database: Database
) -> None:
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    ring.revoke(orders, reason="leaked")
    for role in (Role.APP, Role.ADMIN):
        with ring_as(granted, roots, (role,)) as seen, pytest.raises(KeyNotPermittedError, match="kms_rotator"):
            seen.revoked_key(orders, reason="incident")
    assert entries(database, "REVOKED_KEY_OPENED", orders) == []
    with ring_as(granted, roots, (Role.ROTATOR,)) as rotator:
        assert rotator.revoked_key(orders, reason="incident").decrypt(blob, aad=AAD) == DATA
