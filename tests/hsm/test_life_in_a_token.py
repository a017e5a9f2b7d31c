"""The life of a key that is made in a token: used, rotated and destroyed there, with the entries of it."""

import datetime as dt
import os
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm import Session

from kms_schema.hsm.configurations import set_active
from kms_schema.hsm.handles import Handle, key_reference
from kms_schema.keyring import (
    DatabaseUnavailableError,
    DecryptionError,
    KeyInUseError,
    KeyRing,
    KeyStateError,
    MaterialUnavailableError,
    UnsupportedKeyError,
    UsageLimitError,
    VersionDestroyedError,
)
from kms_schema.keyring.columns.host_columns import ColumnName
from kms_schema.keyring.lifecycle.registry import Registry
from kms_schema.models import HsmConfiguration, KeyMaster
from kms_schema.pkcs11 import TokenRefusedError
from support.engines import Database
from support.engines.softhsm import SoftHsm
from support.errors import raises
from support.rows.smallest import hsm_key_master, insert, key_version, now, unique
from tests.hsm.conftest import MakeRing
from tests.hsm.token_objects import handles, import_key, in_token, value_of
from tests.keyring import tink_keys
from tests.keyring.due_keys import live, quarterly, recorded
from tests.keyring.rings import AAD, DATA, change, entries, rows, used, value
from tests.rotations.setups import DAY


def test_a_key_lives_in_its_token(ring: KeyRing, luna: str, token: SoftHsm, database: Database) -> None:
    name = unique("cards")
    made = ring.create(name, hsm=luna, key_type="hsm", algorithm="AES-256-GCM", actor="alice")
    assert (made.status, made.version, made.algorithm) == ("active", 1, "AES-256-GCM")
    (first,) = handles(database, name)
    assert in_token(token) == {first.object_id: f"kms-schema {name} version 1"}
    with pytest.raises(TokenRefusedError, match="AttributeSensitive"):
        value_of(token, first)
    blob = ring.key(name).encrypt(DATA, aad=AAD)
    assert (blob[0], len(blob)) == (1, 5 + 12 + len(DATA) + 16)
    assert ring.key(name).decrypt(blob, aad=AAD) == DATA
    assert used(database, name) == 1
    ring.rotate(name, actor="bob")
    second = handles(database, name)[1]
    assert set(in_token(token)) == {first.object_id, second.object_id}
    assert ring.key(name).decrypt(blob, aad=AAD) == DATA
    assert ring.inspect(ring.key(name).reencrypt(blob, aad=AAD)).version == 2
    with raises(KeyInUseError, "version", match="is live"):
        ring.destroy_version(name, 2, erase_data=True)
    with pytest.raises(KeyInUseError, match="ended less than 24 hours ago"):
        ring.destroy_version(name, 1)
    assert set(in_token(token)) == {first.object_id, second.object_id}
    ring.destroy_version(name, 1, erase_data=True, actor="carol")
    assert (set(in_token(token)), handles(database, name)) == ({second.object_id}, [second])
    with pytest.raises(VersionDestroyedError):
        ring.key(name).decrypt(blob, aad=AAD)
    happened = recorded(database, name)
    assert [each for each in happened if each[0] not in ("KEY_USED", "KEY_USE_REFUSED", "KEY_CHANGED")] == [
        ("VERSION_ACTIVATED", "alice"), ("KEY_ACTIVATED", "alice"), ("VERSION_DEACTIVATED", "bob"),
        ("VERSION_ACTIVATED", "bob"), ("VERSION_DESTROYED", "carol"),
    ]  # fmt: skip
    assert value(database, "SELECT count(*) FROM key_versions WHERE encrypted_key_data IS NOT NULL") == 0


def test_the_bytes_are_those_of_a_key_in_memory(ring: KeyRing, luna: str, token: SoftHsm, database: Database) -> None:
    """Tink opens what the token encrypts, and the token what Tink encrypts, under the same key."""
    material, handle = os.urandom(32), Handle.new(luna)
    import_key(token, handle, material)
    key = held_key(database, luna, handle)
    tag = value(database, "SELECT ciphertext_tag FROM key_versions WHERE hsm_key_id = :handle", handle=str(handle))
    blob = ring.key(key).encrypt(DATA, aad=AAD)
    assert AESGCM(material).decrypt(blob[5:17], blob[17:], AAD) == DATA
    other = tink_keys.message_key("AES-256-GCM", tag, material)
    assert other.decrypt(blob, AAD) == DATA
    assert ring.key(key).decrypt(other.encrypt(b"", b""), aad=b"") == b""


def held_key(database: Database, hsm: str, handle: Handle, **over: object) -> str:
    """Insert an active key with a version in an HSM, in use since 91 days."""
    since = now() - 91 * DAY
    connection = database.connect()
    master = hsm_key_master(
        hsm_key_id=key_reference(hsm, "k"), key_type="dek", algorithm="AES-256-GCM", key_size_bits=256,
        created_at=since, **over,
    )  # fmt: skip
    key = insert(connection, "key_masters", **master)
    times = {"created_at": since, "activated_at": since}
    insert(connection, "key_versions", **key_version(key, hsm_key_id=str(handle), **times))
    connection.close()
    change(database, "UPDATE key_masters SET status = 'active', activated_at = :at WHERE key_id = :key",
           at=since.isoformat().replace("+00:00", "Z"), key=key["key_id"])  # fmt: skip
    name: str = key["key_id"]
    return name


def test_another_ciphertext_does_not_open(ring: KeyRing, cards: str) -> None:
    blob = ring.key(cards).encrypt(DATA, aad=AAD)
    changed = [bytes([*blob[:at], blob[at] ^ 1, *blob[at + 1 :]]) for at in (0, 4, 5, 16, 17, len(blob) - 1)]
    for other, aad in ((blob, b"other"), (blob[:-1], AAD), (blob[:33], AAD), *((each, AAD) for each in changed)):
        with pytest.raises(DecryptionError):
            ring.key(cards).decrypt(other, aad=aad)
    assert ring.key(cards).decrypt(blob, aad=AAD) == DATA


def test_a_worker_rotates_it_with_a_new_object_and_destroys_the_old_one(
    ring: KeyRing, luna: str, token: SoftHsm, database: Database
) -> None:
    handle = Handle.new(luna)
    import_key(token, handle, os.urandom(32))
    name = held_key(database, luna, handle)
    quarterly(database)
    assert ring.run_rotations(worker="night-1").completed == 1
    assert (live(database, name), len(in_token(token))) == ([2], 2)
    ended = (now() - 2 * DAY).isoformat().replace("+00:00", "Z")
    change(
        database, "UPDATE key_versions SET deactivated_at = :ended WHERE hsm_key_id = :of", ended=ended, of=str(handle)
    )
    change(database, f"CREATE TABLE stored (here {'bytea' if database.dialect == 'postgresql' else 'BLOB'})")
    ring._parts.declarations.declare(name, ColumnName("stored", "here"))
    said: list[str] = []
    assert ring.run_rotations(worker="night-1", destroy_after=dt.timedelta(days=1), report=said.append).destroyed == 1
    assert f"key {name!r}: version 1 is destroyed" in said
    assert handle.object_id not in in_token(token)
    assert len(handles(database, name)) == 1


def test_a_change_that_is_not_committed_leaves_no_object(
    ring: KeyRing, cards: str, luna: str, token: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = in_token(token)

    def fail(*_: object) -> None:
        raise RuntimeError("on the way")

    with Session(ring._parts.storage.writers) as session:
        key = session.scalars(sa.select(KeyMaster).where(KeyMaster.key_id == cards)).one()
        session.add(ring._parts.held.new_version(session, key))
        session.flush()
        assert len(in_token(token)) == len(before) + 1
    assert in_token(token) == before
    monkeypatch.setattr(Registry, "_first_version", fail)
    with pytest.raises(RuntimeError):
        ring.create(unique("cards"), hsm=luna)
    assert in_token(token) == before


def test_a_commit_whose_answer_is_lost_keeps_the_object(
    ring: KeyRing, cards: str, token: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have happened, and then the version needs its object."""
    commit = sa.Connection._commit_impl

    def lost(connection: sa.Connection) -> None:
        commit(connection)
        raise ConnectionError

    monkeypatch.setattr(sa.Connection, "_commit_impl", lost)
    with pytest.raises(DatabaseUnavailableError):
        ring.rotate(cards)
    monkeypatch.undo()
    assert len(in_token(token)) == 2
    ring._parts.versions.cache.forget(cards)
    assert ring.inspect(ring.key(cards).encrypt(DATA, aad=AAD)).version == 2


def test_an_object_that_cannot_be_destroyed_keeps_the_version(
    *, ring: KeyRing, cards: str, luna: str, token: SoftHsm, database: Database, make_ring: MakeRing
) -> None:
    ring.rotate(cards)
    elsewhere = make_ring(hsms={})
    with raises(MaterialUnavailableError, "hsm", match="given no URI"):
        elsewhere.destroy_version(cards, 1, erase_data=True)
    token.make_token("other")
    with (
        raises(MaterialUnavailableError, "hsm", match="no object"),
        make_ring(hsms={luna: token.uri("other")}) as wrong,
    ):
        wrong.destroy_version(cards, 1, erase_data=True)
    assert (len(in_token(token)), len(handles(database, cards))) == (2, 2)
    elsewhere.destroy_version(cards, 1, erase_data=True, leave_object=True)
    assert (len(in_token(token)), len(handles(database, cards))) == (2, 1)


def test_the_status_of_the_key_decides(ring: KeyRing, luna: str) -> None:
    name = unique("cards")
    ring.create(name, hsm=luna, max_usage_count=2)
    blob, _ = (ring.key(name).encrypt(DATA, aad=AAD) for _ in range(2))
    with pytest.raises(UsageLimitError):
        ring.key(name).encrypt(DATA, aad=AAD)
    ring.expire(name)
    assert ring.key(name).decrypt(blob, aad=AAD) == DATA
    with raises(KeyStateError, "status_change"):
        ring.rotate(name)
    ring.revoke(name, reason="leaked")
    assert ring.revoked_key(name, reason="move").decrypt(blob, aad=AAD) == DATA


REFUSALS: dict[str, Callable[[sa.Engine, str], None]] = {
    "is disabled": lambda engine, name: changed(engine, lambda session: set_active(session, name, False)),
    "requires two people at each login": lambda engine, name: changed(
        engine,
        lambda session: session.execute(
            sa.update(HsmConfiguration)
            .where(HsmConfiguration.configuration_name == name)
            .values(require_dual_auth=True)
        ),
    ),
    "there is no HSM named": lambda engine, name: changed(
        engine,
        lambda session: session.execute(sa.delete(HsmConfiguration).where(HsmConfiguration.configuration_name == name)),
    ),
}


def changed(engine: sa.Engine, work: Callable[[Session], object]) -> None:
    with Session(engine) as session:
        work(session)
        session.commit()


@pytest.mark.parametrize("reason", REFUSALS)
def test_an_hsm_that_may_not_be_used_is_refused_within_max_age(
    ring: KeyRing, cards: str, luna: str, sql_engine: sa.Engine, reason: str
) -> None:
    blob = ring.key(cards).encrypt(DATA, aad=AAD)
    REFUSALS[reason](sql_engine, luna)
    assert ring.key(cards).decrypt(blob, aad=AAD) == DATA
    ring._parts.versions.note_change(cards)
    ring._parts.versions.cache.version(ring.inspect(blob).tag).fresh_until = float("-inf")  # type: ignore[union-attr]
    ring._parts.versions.cache.version(ring.inspect(blob).tag).decrypts_until = float("-inf")  # type: ignore[union-attr]
    for use in (
        lambda: ring.key(cards).encrypt(DATA, aad=AAD),
        lambda: ring.key(cards).decrypt(blob, aad=AAD),
        lambda: ring.rotate(cards),
        lambda: ring.create(unique("cards"), hsm=luna),
    ):
        with raises(MaterialUnavailableError, "hsm", match=reason):
            use()


def test_what_a_process_was_not_given_is_said(make_ring: MakeRing, cards: str, luna: str) -> None:
    with raises(MaterialUnavailableError, "hsm", match=f"given no URI for HSM '{luna}'"):
        make_ring(hsms=None).key(cards).encrypt(DATA, aad=AAD)


def test_streams_are_refused(ring: KeyRing, cards: str, database: Database) -> None:
    with open(__file__, "rb") as source, pytest.raises(UnsupportedKeyError, match="no streams"):  # noqa: PTH123
        ring.key(cards).encrypt_stream(source, aad=AAD)
    assert used(database, cards) == 0


def test_each_use_is_an_entry_where_the_hsm_asks_for_it(
    ring: KeyRing, cards: str, luna: str, sql_engine: sa.Engine, database: Database
) -> None:
    blob = ring.key(cards).encrypt(DATA, aad=AAD)
    assert [each["encryptions"] for each in entries(database, "KEY_USED", cards)] == [0]
    records = sa.update(HsmConfiguration).where(HsmConfiguration.configuration_name == luna)
    changed(sql_engine, lambda session: session.execute(records.values(audit_all_operations=True)))
    ring._parts.versions.cache.forget(cards)
    for _ in range(2):
        ring.key(cards).decrypt(blob, aad=AAD)
    ring.key(cards).encrypt(DATA, aad=AAD)
    found = entries(database, "KEY_USED", cards)[1:]
    assert [(each["encryptions"], each["decryptions"], each["bytes"]) for each in found] == [
        (0, 1, 0), (0, 1, 0), (1, 0, len(DATA)),
    ]  # fmt: skip


def test_no_version_in_the_token_is_under_a_key(database: Database) -> None:
    query = "SELECT count(*) FROM key_versions WHERE hsm_key_id IS NOT NULL AND key_checksum IS NOT NULL"
    assert rows(database, query) == [(0,)]
