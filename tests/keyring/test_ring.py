"""Creating, encrypting, decrypting, rotating, inspecting: the ring as an application uses it."""

import array
import datetime as dt
import io
import secrets
from collections.abc import Callable
from typing import Any, cast

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys, Secret
from kms_schema.keyring import (
    DecryptionError,
    KeyExistsError,
    KeyRing,
    KeyRingError,
    KeyStateError,
    MaterialUnavailableError,
    RingClosedError,
    UnknownKeyError,
    UnsupportedKeyError,
    WrapperUnavailableError,
)
from kms_schema.keyring.formats.errors import MessageSizeError
from kms_schema.keyring.formats.messages import message_cipher
from support.engines import Database
from support.errors import raises
from support.rows.smallest import unique
from tests.keyring.conftest import MakeRing
from tests.keyring.rings import AAD, DATA, ROOT, change, entries, rows, used, value

VERSIONS = "FROM key_versions AS v JOIN key_masters AS m ON m.id = v.key_id"


def test_what_one_process_encrypts_another_decrypts(
    ring: KeyRing, orders: str, make_ring: MakeRing, database: Database
) -> None:
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    assert DATA not in blob
    tag = value(database, f"SELECT v.ciphertext_tag {VERSIONS} WHERE m.key_id = :key", key=orders)
    assert blob[:5] == b"\1" + tag.to_bytes(4, "big")
    assert make_ring().key(orders).decrypt(blob, aad=AAD) == DATA
    assert used(database, orders) == 1  # decrypting is not counted


def test_creating_is_one_transaction(ring: KeyRing, orders: str, kek: str, database: Database) -> None:
    made = rows(database, "SELECT status, algorithm, key_type FROM key_masters WHERE key_id = :key", key=orders)
    assert made == [("active", "XAES-256-GCM", "dek")]
    lonely = unique("lonely")
    with pytest.raises(UnknownKeyError, match="no-such-kek"):
        ring.create(lonely, under="no-such-kek")
    with pytest.raises(MaterialUnavailableError, match="kms://other"):
        ring.create(lonely, under="kms://other")
    with pytest.raises(WrapperUnavailableError):
        ring.create(lonely, under=orders)
    assert rows(database, "SELECT 1 FROM key_masters WHERE key_id = :key", key=lonely) == []
    with pytest.raises(KeyExistsError) as caught:
        ring.create(orders, under=kek)
    assert caught.value.key_id == orders


def test_an_imported_key_has_its_times_tag_and_use(ring: KeyRing, database: Database) -> None:
    name, material, since = unique("imported"), secrets.token_bytes(32), dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
    with message_cipher("AES-256-GCM", 2001, Secret.copy_of(material)) as elsewhere:
        blob = elsewhere.encrypt(DATA, aad=AAD)
    ring.create(
        name, under=ROOT, algorithm="AES-256-GCM", material=material, ciphertext_tag=2001, used=77, activated_at=since
    )
    assert ring.key(name).decrypt(blob, aad=AAD) == DATA
    ring.key(name).encrypt(DATA, aad=AAD)
    assert used(database, name) == 78
    for tag in (2001, 2**32):
        with raises(KeyExistsError, "ciphertext_tag"):
            ring.create(unique("twin"), under=ROOT, ciphertext_tag=tag)
    times = rows(
        database, f"SELECT m.created_at, m.activated_at, v.created_at, v.activated_at {VERSIONS} WHERE m.key_id = :key",
        key=name,
    )  # fmt: skip
    assert {str(each)[:10] for each in times[0]} == {"2024-05-06"}
    assert entries(database, "KEY_IMPORTED", name)[0]["used"] == 77


def test_rotating_makes_a_version_that_is_live_at_once(ring: KeyRing, orders: str, database: Database) -> None:
    before = ring.key(orders).encrypt(DATA, aad=AAD)
    assert ring.rotate(orders, actor="alice").version == 2
    after = ring.key(orders).encrypt(DATA, aad=AAD)
    assert before[:5] != after[:5]
    assert {ring.key(orders).decrypt(blob, aad=AAD) for blob in (before, after)} == {DATA}
    assert [ring.inspect(blob).version for blob in (before, after)] == [1, 2]
    assert [ring.inspect(blob).is_live for blob in (before, after)] == [False, True]
    live = "v.activated_at IS NOT NULL AND v.deactivated_at IS NULL"
    assert value(database, f"SELECT count(*) {VERSIONS} WHERE {live} AND m.key_id = :key", key=orders) == 1
    acting = "SELECT count(*) FROM key_audit_logs WHERE user_id = 'alice' AND event_description LIKE :key"
    assert value(database, acting, key=f"%{orders} version%") == 3  # one ends, one is created and activated


def test_a_new_version_is_under_the_live_version_of_its_kek(ring: KeyRing, database: Database) -> None:
    kek, name = unique("kek"), unique("orders")
    ring.create(kek, under=ROOT, key_type="kek")
    ring.create(name, under=kek)
    ring.rotate(kek)
    ring.rotate(name)
    statements: list[str] = []
    for engine in set(ring._parts.storage._own):
        sa.event.listen(engine, "before_cursor_execute", lambda *each: statements.append(each[2]))
    ring.rotate(name)
    assert sum("key_versions" in each and each.startswith("SELECT") for each in statements) == 1, "with their wrappers"
    wrappers = rows(
        database,
        f"SELECT w.version_number {VERSIONS} JOIN key_versions AS w ON w.id = v.wrapped_by_version_id"
        " WHERE m.key_id = :key ORDER BY v.version_number",
        key=name,
    )
    assert wrappers == [(1,), (2,), (2,)]
    with pytest.raises(UnknownKeyError):
        ring.rotate("missing")
    ring.revoke(kek, reason="leaked")
    with pytest.raises(WrapperUnavailableError):
        ring.rotate(name)
    ring.expire(name)
    with raises(KeyStateError, "status_change", match="expired"):
        ring.rotate(name)


def test_reencrypting_keeps_what_is_current(ring: KeyRing, orders: str) -> None:
    key = ring.key(orders)
    blob = key.encrypt(DATA, aad=AAD)
    assert key.reencrypt(blob, aad=AAD) == blob
    with pytest.raises(DecryptionError):
        key.reencrypt(blob, aad=b"other")
    ring.rotate(orders)
    moved = key.reencrypt(blob, aad=AAD)
    assert ring.inspect(moved).version == 2
    assert key.decrypt(moved, aad=AAD) == DATA


def test_a_text_is_refused_before_a_use_is_counted(
    ring: KeyRing, orders: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, text = ring.key(orders), cast("bytes", "text")
    calls: dict[Callable[[], object], str] = {
        lambda: key.encrypt(text, aad=AAD): "data",
        lambda: key.encrypt(DATA, aad=text): "aad",
        lambda: key.decrypt(text, aad=AAD): "blob",
        lambda: key.reencrypt(text, aad=AAD): "blob",
        lambda: key.encrypt_stream(io.BytesIO(DATA), aad=text): "aad",
        lambda: ring.inspect(text): "blob",
    }
    for call, name in calls.items():
        with pytest.raises(TypeError, match=rf"^{name} takes bytes, not str: encode it, as with {name}\.encode\(\)$"):
            call()
    wide, apart = memoryview(bytes(32)).cast("Q"), memoryview(bytes(range(64)))[::2]
    odd_ones = [wide, apart, array.array("I", [1]), array.array("b", [1]), memoryview(DATA).cast("c"), 32, True, [1, 2]]
    for odd in (*odd_ones, None, io.StringIO()):
        for call in (lambda odd=odd: key.encrypt(odd, aad=AAD), lambda odd=odd: key.encrypt(DATA, aad=odd)):
            with pytest.raises(TypeError, match=r"^(data|aad) takes bytes"):
                call()
    with pytest.raises(TypeError, match=r"^source is a binary file"):
        key.encrypt_stream(cast("Any", io.StringIO("text")), aad=AAD)
    monkeypatch.setattr("kms_schema.keyring.key.MAX_MESSAGE_BYTES", 100)
    for data, aad in ((bytes(101), AAD), (DATA, bytes(101))):
        with pytest.raises(MessageSizeError):
            key.encrypt(data, aad=aad)
    assert used(database, orders) == 0
    assert key.decrypt(bytearray(key.encrypt(memoryview(DATA), aad=AAD)), aad=AAD) == DATA


def test_one_error_for_whatever_does_not_open(ring: KeyRing, orders: str, kek: str, database: Database) -> None:
    other = unique("other")
    ring.create(other, under=kek)
    blob, foreign = (ring.key(name).encrypt(DATA, aad=AAD) for name in (orders, other))
    changed = blob[:-1] + bytes([blob[-1] ^ 1])
    unknown = blob[:1] + bytes([blob[1] ^ 1]) + blob[2:]
    bad = [(blob, b"other aad"), (blob, b""), (foreign, AAD), (changed, AAD), (unknown, AAD)]
    bad += [(blob[:length], AAD) for length in (0, 1, 4, 5, 6, 28, 29, 30, 44, 45, len(blob) - 1)]
    bad += [(blob + b"\0", AAD)]
    found = set()
    for each, aad in bad:
        with pytest.raises(DecryptionError) as caught:
            ring.key(orders).decrypt(each, aad=aad)
        assert caught.value.__context__ is None
        found.add((type(caught.value), str(caught.value), caught.value.key_id, caught.value.version))
    assert len(found) == 1
    with pytest.raises(DecryptionError, match="it is a stream, as `keys encrypt` makes") as caught:
        ring.key(orders).decrypt(b"\2" + blob[1:], aad=AAD)
    assert caught.value.__context__ is None
    refused = entries(database, "KEY_USE_REFUSED", orders)
    assert [each["reason"] for each in refused] == ["DecryptionError"]  # once a minute


def test_a_foreign_ciphertext_is_refused_before_its_material_is_opened(
    ring: KeyRing, orders: str, kek: str, make_ring: MakeRing, database: Database
) -> None:
    other = unique("other")
    ring.create(other, under=kek)
    foreign = ring.key(other).encrypt(DATA, aad=AAD)
    with make_ring() as fresh, pytest.raises(DecryptionError):
        fresh.key(orders).decrypt(foreign, aad=AAD)
    assert len(entries(database, "KEY_USED", other)) == 1  # of the ring that encrypted


def test_inspecting_needs_no_root_key(ring: KeyRing, orders: str, sql_engine: sa.Engine) -> None:
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    with KeyRing(sql_engine, RootKeys({})) as without:
        found = without.inspect(blob[:-3])
        assert (found.key_id, found.version, found.status, found.is_live) == (orders, 1, "active", True)
        assert found.tag == int.from_bytes(blob[1:5], "big")
        for other in (b"", b"plaintext of an application, long enough", b"\1" + bytes(3) + b"\1" + bytes(50)):
            with raises(UnknownKeyError, "ciphertext"):
                without.inspect(other)
        with pytest.raises(MaterialUnavailableError, match=ROOT) as caught:
            without.key(orders).decrypt(blob, aad=AAD)
        assert (caught.value.key_id, caught.value.version) == (orders, 1)


def test_a_key_serves_one_algorithm(ring: KeyRing, kek: str, database: Database) -> None:
    name, old = unique("aes"), unique("old")
    with pytest.raises(UnsupportedKeyError, match="only a dek"):
        ring.key(kek).encrypt(DATA, aad=AAD)
    with pytest.raises(UnknownKeyError):
        ring.key("missing").encrypt(DATA, aad=AAD)
    ring.create(name, under=kek, algorithm="AES-256-GCM")
    assert len(ring.key(name).encrypt(DATA, aad=AAD)) == 5 + 12 + len(DATA) + 16
    change(
        database, "INSERT INTO key_masters (id, key_id, key_type, algorithm, key_size_bits, status, activated_at)"
        " SELECT :id, :old, 'dek', 'AES-256', 256, 'active', activated_at FROM key_masters WHERE key_id = :key",
        id="0193" + secrets.token_hex(14), old=old, key=name,
    )  # fmt: skip
    with pytest.raises(UnsupportedKeyError, match="AES-256 with 256 bits"):
        ring.key(old).encrypt(DATA, aad=AAD)


def test_a_closed_ring_does_nothing(ring: KeyRing, orders: str) -> None:
    key = ring.key(orders)
    blob = key.encrypt(DATA, aad=AAD)
    with pytest.raises(TypeError):
        key.encrypt(DATA)  # type: ignore[call-arg]
    ring.close()
    ring.close()
    for use in (lambda: key.encrypt(DATA, aad=AAD), lambda: key.decrypt(blob, aad=AAD), lambda: ring.inspect(blob)):
        with pytest.raises(RingClosedError):
            use()
    assert issubclass(RingClosedError, KeyRingError)


@pytest.mark.only_on("postgresql")
def test_tables_in_another_schema(empty_database: Database, roots: RootKeys) -> None:
    empty_database.alembic("-x", "schema=kms", "upgrade", "head")
    engine = empty_database.engine()
    with KeyRing(engine, roots, schema="kms") as ring:
        ring.create("orders", under=ROOT, actor="alice")
        blob = ring.key("orders").encrypt(DATA, aad=AAD)
        ring.rotate("orders")
        assert ring.key("orders").decrypt(blob, aad=AAD) == DATA
        assert ring.revoke("orders", reason="leaked").status == "revoked"
    engine.dispose()
    assert value(empty_database, "SELECT count(*) FROM kms.key_audit_logs WHERE event_type = 'KEY_USED'") == 2
