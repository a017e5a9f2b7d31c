"""Texts with a NUL or a surrogate, which no database stores: one clear error each, and nothing is written."""

import asyncio
import datetime as dt
import io
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.audit import append, open_trail
from kms_schema.crypto import RootKeys, destroyable
from kms_schema.crypto.errors import DependentsError
from kms_schema.hsm.configurations import add_hsm, find_hsm
from kms_schema.hsm.errors import HsmError
from kms_schema.keyring import DecryptionError, EncryptedColumn, KeyRing, KeyStateError, UnknownKeyError
from kms_schema.keyring.descriptions import listed_key
from kms_schema.keyring.handover.receiver_keys import HandoverKey
from kms_schema.rotations import RotationError
from kms_schema.rotations.policies import create_policy, find_policy
from kms_schema.text.storable import check_texts
from support.engines import Database
from support.errors import raises
from support.rows.smallest import unique
from tests.keyring.rings import AAD, DATA, ROOT, opened, value

BAD = [pytest.param("a\0b", id="nul"), pytest.param("caf\udce9", id="surrogate")]
FAULT = "has (the character NUL|a surrogate)"
Use = Callable[..., Any]

USES: dict[str, Use] = {
    "encrypt": lambda ring, name: ring.key(name).encrypt(DATA, aad=AAD),
    "encrypt_stream": lambda ring, name: list(ring.key(name).encrypt_stream(io.BytesIO(DATA), aad=AAD)),
    "rotate": lambda ring, name: ring.rotate(name),
    "expire": lambda ring, name: ring.expire(name),
    "archive": lambda ring, name: ring.archive(name),
    "revoke": lambda ring, name: ring.revoke(name, reason="leaked"),
    "revoked_key": lambda ring, name: ring.revoked_key(name, reason="moved"),
    "destroy_version": lambda ring, name: ring.destroy_version(name, 1),
    "create under": lambda ring, name: ring.create(unique("k"), under=name),
}


NO_TEXTS = (b"orders", bytearray(b"orders"), 5, ["orders"])


def count(database: Database) -> int:
    """Return the number of entries of the audit log: each change writes one."""
    found: int = value(database, "SELECT count(*) FROM key_audit_logs")
    return found


@pytest.mark.parametrize("bad", BAD)
def test_no_key_has_such_a_name(ring: KeyRing, database: Database, orders: str, bad: str) -> None:
    blob, before = ring.key(orders).encrypt(DATA, aad=AAD), count(database)
    for use in USES.values():
        with pytest.raises((UnknownKeyError, ValueError), match=FAULT):
            use(ring, bad)
    with pytest.raises((UnknownKeyError, DecryptionError)):
        ring.key(bad).decrypt(blob, aad=AAD)
    for values in ({"key_id": bad, "under": ROOT}, {"key_id": "k", "under": ROOT, "compliance_tags": [bad]}):
        with pytest.raises(ValueError, match=FAULT):
            ring.create(**values)
    assert count(database) == before


def test_what_is_no_text_is_named_with_its_type(ring: KeyRing, database: Database, orders: str) -> None:
    before = count(database)
    for bad in NO_TEXTS:
        takes = f"takes a text \\(str\\), not {type(bad).__name__}(: decode it, as with .*decode\\(\\))?$"
        for use in USES.values():
            with pytest.raises(TypeError, match=takes):
                use(ring, bad)
        for call in (
            lambda bad=bad: ring.create(bad, under=ROOT),
            lambda bad=bad: ring.revoke(orders, reason=bad),
            lambda bad=bad: ring.rotate(orders, actor=bad),
            lambda bad=bad: ring.run_rotations(worker=bad),
            lambda bad=bad: EncryptedColumn(bad),
        ):
            with pytest.raises(TypeError, match=takes):
                call()
    assert count(database) == before


def test_a_time_without_a_zone_is_refused(ring: KeyRing, database: Database) -> None:
    before, naive = count(database), dt.datetime(2020, 1, 1)
    for name in ("expires_at", "activated_at"):
        with pytest.raises(ValueError, match=f"^{name} has no time zone, so that it is ambiguous"):
            ring.create("k", under=ROOT, **{name: naive})
        for other in ("2030-01-01", naive.date()):
            with pytest.raises(TypeError, match=f"^{name} takes a datetime, not (str|date)$"):
                ring.create("k", under=ROOT, **{name: other})
    assert count(database) == before


@pytest.mark.parametrize("bad", BAD)
def test_reasons_and_actors_are_refused_before_anything_is_written(
    ring: KeyRing, database: Database, orders: str, bad: str
) -> None:
    before = count(database)
    with HandoverKey.generate() as key:
        for given in ({"reason": bad}, {"reason": "moved", "actor": bad}):
            for use in (
                ring.revoke,
                ring.revoked_key,
                lambda name, **given: ring.hand_over(name, to=key.public, **given),
            ):
                with pytest.raises(ValueError, match=f"^{'actor' if 'actor' in given else 'reason'} {FAULT}"):
                    use(orders, **given)
    for use in (ring.rotate, ring.expire):
        with pytest.raises(ValueError, match=f"^actor {FAULT}"):
            use(orders, actor=bad)
    for given in ({"worker": bad}, {"worker": "night", "actor": bad}):
        with pytest.raises(ValueError, match=FAULT):
            ring.run_rotations(**given)
    assert count(database) == before


@pytest.mark.parametrize("bad", BAD)
def test_asynchronous_drivers_give_the_same_errors(
    database: Database, roots: RootKeys, orders: str, driver: str, bad: str
) -> None:
    async def work() -> None:
        async with opened(database, roots, driver) as (ring, _):
            with pytest.raises(UnknownKeyError, match=FAULT):
                await ring.key(bad).encrypt(DATA, aad=AAD)
            with pytest.raises(ValueError, match=FAULT):
                await ring.revoke(orders, reason=bad)
            with raises(KeyStateError, "status_change", match="refuses the change"):
                await ring.create("k" * 65, under=ROOT)

    asyncio.run(work())


@pytest.mark.parametrize("bad", BAD)
def test_functions_of_sessions_and_connections(sql_engine: sa.Engine, database: Database, bad: str) -> None:
    before = count(database)
    with sa.orm.Session(sql_engine) as session:
        with pytest.raises(DependentsError):
            destroyable(session, bad, 1)
        with raises(RotationError, "unknown_policy"):
            find_policy(session, bad)
        with raises(HsmError, "unknown_hsm"):
            find_hsm(session, bad)
        with pytest.raises(UnknownKeyError):
            listed_key(session.connection(), bad)
        for values in ({"notification_channels": [{"to": bad}]}, {"created_by": bad}):
            with pytest.raises(ValueError, match=FAULT):
                create_policy(session, unique("p"), "dek", {"rotation_interval_days": 90, **values})
        with pytest.raises(ValueError, match=FAULT):
            add_hsm(session, unique("h"), endpoint_url=bad)
    with database.connect() as connection:
        trail = open_trail(connection)
        entry = {"event_type": "EXPORT", "event_category": "COMPLIANCE", "event_description": "sent"}
        for values in ({"event_description": bad}, {"user_id": bad}, {"additional_metadata": {"to": [bad]}}):
            with pytest.raises(ValueError, match=FAULT):
                append(trail, **{**entry, **values})
    assert count(database) == before


def test_a_document_that_contains_itself_is_read_once() -> None:
    document: dict[str, object] = {"ticket": "7"}
    document["itself"] = [document]
    check_texts(details=document)
    document["last"] = "a\0b"
    with pytest.raises(ValueError, match="details has the character NUL"):
        check_texts(details=document)
