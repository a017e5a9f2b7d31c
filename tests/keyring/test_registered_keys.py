"""A key that kms_admin has registered, and a call that gives it its version: nothing that the call gives is lost."""

import datetime as dt
import secrets
from typing import Any

import pytest

from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyExistsError, KeyNotPermittedError, KeyRing
from kms_schema.keyring.columns.host_columns import ELSEWHERE
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.ring_roles import ADMIN, BOTH, ROTATOR, ring_as
from tests.keyring.rings import AAD, DATA, change, value
from tests.roles.granted import Granted

EXPIRES = dt.datetime(2126, 11, 29, 2, 30, 0, 123456, tzinfo=dt.UTC)
MARK = "SELECT CAST(encrypted_columns AS text) FROM key_masters WHERE key_id = :key"


@pytest.fixture
def registered(database: Database) -> str:
    """The name of a key that is registered, with a limit and a time at which it expires."""
    name = unique("registered")
    change(
        database,
        "INSERT INTO key_masters (key_id, key_type, algorithm, key_size_bits, max_usage_count, expires_at)"
        " VALUES (:key, 'dek', 'XAES-256-GCM', 256, 5, :expires)",
        key=name,
        expires=EXPIRES.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    )
    return name


@pytest.mark.parametrize(
    "given", [{"max_usage_count": 4}, {"expires_at": EXPIRES + dt.timedelta(days=1)}, {"security_level": "MAXIMUM"}]
)
def test_another_limit_than_the_registered_one_is_refused(
    ring: KeyRing, registered: str, kek: str, database: Database, given: dict[str, Any]
) -> None:
    with pytest.raises(KeyExistsError, match=f"registered with another {next(iter(given))}: leave that out"):
        ring.create(registered, under=kek, **given)
    assert value(database, "SELECT status FROM key_masters WHERE key_id = :key", key=registered) == "pending"
    same_moment = EXPIRES.astimezone(dt.timezone(dt.timedelta(hours=5)))
    made = ring.create(registered, under=kek, max_usage_count=5, expires_at=same_moment, security_level="HIGH")
    assert (made.status, made.version) == ("active", 1)


def test_a_key_from_elsewhere_is_marked_also_where_it_was_registered(
    ring: KeyRing, registered: str, orders: str, kek: str, database: Database
) -> None:
    assert not value(database, MARK, key=registered)
    ring.create(registered, under=kek, material=secrets.token_bytes(32), ciphertext_tag=secrets.randbits(31) + 1)
    stored = value(database, MARK, key=registered) or ""
    assert stored.count(ELSEWHERE.table) == len(ELSEWHERE.document(database.dialect))
    ring.key(orders).encrypt(DATA, aad=AAD)


@pytest.mark.only_on("postgresql")
def test_the_mark_needs_kms_admin(
    granted: Granted, roots: RootKeys, registered: str, kek: str, database: Database
) -> None:
    given: dict[str, Any] = {"material": secrets.token_bytes(32), "ciphertext_tag": secrets.randbits(31) + 1}
    with ring_as(granted, roots, ROTATOR) as rotator, pytest.raises(KeyNotPermittedError, match="kms_admin"):
        rotator.create(registered, under=kek, **given)
    with ring_as(granted, roots, BOTH) as both:
        assert both.create(registered, under=kek, **given).version == 1
    assert ELSEWHERE.table in value(database, MARK, key=registered)


@pytest.mark.only_on("postgresql")
def test_a_marked_key_is_completed_by_kms_rotator(
    granted: Granted, roots: RootKeys, kek: str, database: Database
) -> None:
    name = unique("imported")
    given: dict[str, Any] = {"material": secrets.token_bytes(32), "ciphertext_tag": secrets.randbits(31) + 1}
    with ring_as(granted, roots, ADMIN) as admin:
        assert admin.create(name, under=kek, max_usage_count=5, **given).status == "pending"
    before = value(database, MARK, key=name)
    with ring_as(granted, roots, ROTATOR) as rotator:
        assert rotator.create(name, under=kek, max_usage_count=5, **given).version == 1
    assert ELSEWHERE.table in before
    assert value(database, MARK, key=name) == before
