"""Ways to break the rules of versions and their material in a database at 004: see `by_rule.py`."""

import secrets
import uuid
from datetime import timedelta
from typing import Any

from support.concurrency.statements import adding, changing, deleting, kek, live_version, master
from support.engines.database import Connection
from support.rows.smallest import (
    Row,
    active_key_master,
    envelope,
    insert,
    key_master,
    key_version,
    live_key_version,
    now,
)
from support.violations.violation import FIRST, SECOND, SQLITE, THIRD, Broken, Make, Violation


def wrapping(connection: Connection, key: Row | None = None, **over: Any) -> tuple[Row, str]:
    """Insert a version, by default of a new KEK, and return it with its name."""
    of = key or kek(connection)
    row = key_version(of, created_at=FIRST, **over)
    return insert(connection, "key_versions", **row), f"{of['key_id']} v{row['version_number']}"


def version_of_no_key(connection: Connection) -> Broken:
    del connection
    orphan = key_version({"id": uuid.uuid4(), "key_id": "gone", "key_size_bits": 256}, created_at=FIRST)
    return Broken(adding("key_versions", orphan), deleting("key_versions", orphan), [(orphan, " v1")], "is of the key")


def key_is_deleted(connection: Connection) -> Broken:
    key = key_master(created_at=now())
    insert(connection, "key_masters", **key)
    version, _ = wrapping(connection, key)
    return Broken(deleting("key_masters", key), adding("key_masters", key), [(version, " v1")], "is of the key")


def times(says: str, fixed: Row, *, destroyed: bool = False, **given: Any) -> tuple[str, Make]:
    def make(connection: Connection) -> Broken:
        key = master(connection)
        row = key_version(key, **given)
        if destroyed:
            row |= {"encrypted_key_data": None, "wrapping_key_ref": None}
        fixing = changing("key_versions", row, **fixed)
        return Broken(adding("key_versions", row), fixing, [(row, f"{key['key_id']} v1")], says)

    return says, make


CHRONOLOGY = [
    times("was activated before it was created", {"created_at": FIRST}, created_at=SECOND, activated_at=FIRST),
    times(
        "was deactivated before it was activated",
        {"deactivated_at": THIRD},
        created_at=FIRST,
        activated_at=THIRD,
        deactivated_at=SECOND,
    ),
    times("was deactivated and never activated", {"deactivated_at": None}, created_at=FIRST, deactivated_at=SECOND),
    times(
        "is live and destroyed",
        {"deactivated_at": SECOND},
        destroyed=True,
        created_at=FIRST,
        activated_at=FIRST,
        destroyed_at=THIRD,
    ),
    times(
        "was destroyed before it was deactivated",
        {"destroyed_at": THIRD},
        destroyed=True,
        created_at=FIRST,
        activated_at=FIRST,
        deactivated_at=THIRD,
        destroyed_at=SECOND,
    ),
    times(
        "was destroyed before it was created",
        {"destroyed_at": THIRD},
        destroyed=True,
        created_at=SECOND,
        destroyed_at=FIRST,
    ),
]


def live_on_a_revoked_key(connection: Connection) -> Broken:
    key = master(connection, status="revoked", revoked_at=now())
    row = live_key_version(key)
    fixing = changing("key_versions", row, deactivated_at=now() + timedelta(minutes=1))
    return Broken(adding("key_versions", row), fixing, [(row, f"{key['key_id']} v1")], "is live, and its key was")


def key_is_revoked(connection: Connection) -> Broken:
    key = master(connection)
    row = live_version(connection, key)
    breaking = changing("key_masters", key, status="revoked", revoked_at=now())
    fixing = changing("key_versions", row, deactivated_at=now() + timedelta(minutes=1))
    return Broken(breaking, fixing, [(row, f"{key['key_id']} v1")], "is live, and its key was")


def material(bits: int, blob: bytes, says: str, *, hsm: bool = False) -> Make:
    """Add material to a key beside a version that has the right one."""

    def make(connection: Connection) -> Broken:
        key = active_key_master(key_size_bits=bits)
        if hsm:
            key |= {"hsm_provider": "pkcs11", "hsm_key_id": "handle"}
        insert(connection, "key_masters", **key)
        padded = -(-bits // 64) * 8
        if not hsm:
            wrapping(connection, key, encrypted_key_data=b"\x02" + bytes(8 + padded))
            wrapping(connection, key, encrypted_key_data=envelope(bits), version_number=2)
        plain = {**key, "hsm_provider": None}
        row = key_version(plain, created_at=FIRST, version_number=3, encrypted_key_data=blob)
        fixing = changing("key_versions", row, encrypted_key_data=None, destroyed_at=now())
        return Broken(adding("key_versions", row), fixing, [(row, f"{key['key_id']} v3")], says)

    return make


def no_material(connection: Connection) -> Broken:
    key = master(connection)
    row = {"id": uuid.uuid4(), "key_id": key["id"], "version_number": 1, "created_at": FIRST}
    fixing = changing("key_versions", row, destroyed_at=now())
    return Broken(adding("key_versions", row), fixing, [(row, f"{key['key_id']} v1")], "has no material")


def moved(*, into_hsm: bool) -> Make:
    def make(connection: Connection) -> Broken:
        handle = {"hsm_provider": "pkcs11", "hsm_key_id": "handle"}
        nowhere = dict.fromkeys(handle)
        before, after = (nowhere, handle) if into_hsm else (handle, nowhere)
        key = master(connection, **before)
        row, name = wrapping(connection, key)
        what, where = ("material here", "an HSM") if into_hsm else ("an HSM handle", "no HSM")
        says = f"has {what}, and its key is held in {where}"
        breaking = changing("key_masters", key, **after)
        return Broken(breaking, changing("key_masters", key, **before), [(row, name)], says)

    return make


SECRET = secrets.token_bytes
MATERIAL = {
    "none": no_material,
    "here and in an HSM": material(256, envelope(256), "has material here", hsm=True),
    "a key with a format byte": material(256, b"\x01" + SECRET(31), "256-bit key has 61 bytes, this has 32"),
    "a byte too long": material(256, envelope(256) + b"x", "has 61 bytes, this has 62"),
    "a byte too short": material(256, envelope(256)[:-1], "has 61 bytes, this has 60"),
    "of another size": material(521, envelope(528) + b"x", "521-bit key has 95 bytes, this has 96"),
    "padded and too long": material(129, b"\x02" + SECRET(33), "129-bit key has 33 bytes, this has 34"),
    "padded and too short": material(129, b"\x02" + SECRET(31), "129-bit key has 33 bytes, this has 32"),
}

VIOLATIONS_OF_VERSIONS = [
    Violation("fk_key_versions_key_id_key_masters", "no such key", version_of_no_key),
    Violation("fk_key_versions_key_id_key_masters", "a deleted key", key_is_deleted, SQLITE, healed=True),
    *(Violation("validate_key_version_chronology", name, make) for name, make in CHRONOLOGY),
    Violation("validate_key_version_activation", "on a revoked key", live_on_a_revoked_key),
    Violation("validate_key_version_activation", "its key is revoked", key_is_revoked, healed=True),
    *(Violation("validate_key_version_material", name, make) for name, make in MATERIAL.items()),
    *(
        Violation(
            "validate_key_version_material",
            "moved into an HSM" if into else "moved out of its HSM",
            moved(into_hsm=into),
            refused_by="validate_key_master_custody",
        )
        for into in (True, False)
    ),
]
