"""Each method of the ring as each role: allowed or refused, on PostgreSQL."""

from collections.abc import Callable

import pytest

from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyNotPermittedError, KeyRing
from kms_schema.roles.definition import Role
from support.rows.smallest import unique
from tests.keyring.rings import AAD, ADMIN, APP, BOTH, DATA, ROOT, ROTATOR, entries, ring_as, rows
from tests.roles.granted import Granted

pytestmark = pytest.mark.only_on("postgresql")


USES: dict[str, Callable[[KeyRing, str, bytes], object]] = {
    "encrypt": lambda ring, key, _blob: ring.key(key).encrypt(DATA, aad=AAD),
    "decrypt": lambda ring, key, blob: ring.key(key).decrypt(blob, aad=AAD),
    "reencrypt": lambda ring, key, blob: ring.key(key).reencrypt(blob, aad=AAD),
    "inspect": lambda ring, _key, blob: ring.inspect(blob),
    "rotate": lambda ring, key, _blob: ring.rotate(key),
    "expire": lambda ring, key, _blob: ring.expire(key),
    "revoke": lambda ring, key, _blob: ring.revoke(key, reason="leaked"),
    "archive": lambda ring, key, _blob: ring.archive(key),
    "activate": lambda ring, key, _blob: ring.activate(key),
}
ALLOWED = {
    **dict.fromkeys(("encrypt", "decrypt", "reencrypt", "inspect"), (APP, ROTATOR)),
    **dict.fromkeys(("rotate", "expire", "revoke", "archive", "activate"), (ROTATOR,)),
}
"""kms_rotator has the privileges to read versions and to count, so it can encrypt as well."""


def pending(granted: Granted, roots: RootKeys, kek: str) -> str:
    """Return the name of a key that is registered and has a version that is not live."""
    name = unique("pending")
    with ring_as(granted, roots, ADMIN) as admin:
        admin.create(name, under=kek)
    granted.superuser.execute(
        b"INSERT INTO key_versions (key_id, version_number, encrypted_key_data, key_checksum, encryption_metadata,"
        b" wrapping_key_ref) SELECT id, 1, '\\x01'::bytea || decode(repeat('00', 60), 'hex'), repeat('0', 64),"
        b""" '{"format": 1, "algorithm": "x", "associated_data": "x"}', 'kms://root' FROM key_masters"""
        b" WHERE key_id = %s",
        [name],
    )
    return name


@pytest.mark.parametrize("roles", [APP, ROTATOR, ADMIN, (Role.AUDITOR,)], ids=lambda roles: roles[0].name.lower())
def test_who_may_call(granted: Granted, roots: RootKeys, ring: KeyRing, kek: str, roles: tuple[Role, ...]) -> None:
    with ring_as(granted, roots, roles) as seen:
        for method, use in USES.items():
            ring.create(name := unique("orders"), under=kek)
            blob = ring.key(name).encrypt(DATA, aad=AAD)
            if method == "archive":
                ring.expire(name)
            elif method == "activate":
                name = pending(granted, roots, kek)
            if roles in ALLOWED[method] or (method == "inspect" and roles == (Role.AUDITOR,)):
                use(seen, name, blob)
                continue
            with pytest.raises(KeyNotPermittedError, match="needs a login in kms_") as caught:
                use(seen, name, blob)
            assert caught.value.key_id == (None if method == "inspect" else name), method


@pytest.mark.parametrize("roles", [APP, ROTATOR, (Role.AUDITOR,)], ids=lambda roles: roles[0].name.lower())
def test_who_may_not_create(granted: Granted, roots: RootKeys, kek: str, roles: tuple[Role, ...]) -> None:
    name = unique("orders")
    with ring_as(granted, roots, roles) as seen, pytest.raises(KeyNotPermittedError, match="kms_admin"):
        seen.create(name, under=kek)
    assert rows(granted.database, "SELECT 1 FROM key_masters WHERE key_id = :key", key=name) == []


def test_admin_and_rotator_create(granted: Granted, roots: RootKeys, kek: str, ring: KeyRing) -> None:
    name, kek_of_its_own = unique("orders"), unique("kek")
    with ring_as(granted, roots, BOTH) as seen:
        made = seen.create(name, under=kek)
        assert (made.status, made.version, made.next_step) == ("active", 1, None)
        seen.create(kek_of_its_own, under=ROOT, key_type="kek", actor="alice")
    assert ring.key(name).encrypt(DATA, aad=AAD)


def test_admin_alone_registers_and_rotator_completes(
    granted: Granted, roots: RootKeys, kek: str, ring: KeyRing
) -> None:
    name = unique("orders")
    with ring_as(granted, roots, ADMIN) as admin:
        made = admin.create(name, under=kek, max_usage_count=5)
        assert (made.status, made.version) == ("pending", None)
        assert made.next_step is not None
        assert "kms_rotator" in made.next_step
        assert f"ring.create({name!r}, under={kek!r})" in made.next_step
    with ring_as(granted, roots, ROTATOR) as rotator:
        made = rotator.create(name, under=kek)
        assert (made.status, made.version, made.next_step) == ("active", 1, None)
    assert ring.key(name).encrypt(DATA, aad=AAD)


def test_an_application_writes_entries_of_its_use(granted: Granted, roots: RootKeys, orders: str) -> None:
    with ring_as(granted, roots, APP) as seen:
        seen.key(orders).encrypt(DATA, aad=AAD)
    assert [each["encryptions"] for each in entries(granted.database, "KEY_USED", orders)] == [0, 1]
