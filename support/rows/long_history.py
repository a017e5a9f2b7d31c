"""The rows of a database after years: each state follows from another as the triggers allow."""

from typing import Any

from support.concurrency.statements import (
    Statement,
    changing,
    claiming,
    destroying,
    kek,
    live_version,
    master,
    rewrapping,
)
from support.engines.database import Connection
from support.rows.smallest import Row, active_key_master, insert, key_rotation, key_version, now
from support.statements import execute
from support.violations.versions import wrapping
from support.violations.violation import FIRST, SECOND, THIRD


def live_a_long_life(connection: Connection) -> None:
    """Insert rows and change them, in ways that are allowed and leave something odd to look at."""
    keys_end_in_every_way(connection)
    destroyed_versions_keep_their_wrappers(connection)
    rewrapped_chains_turn_round(connection)
    rotations_fail_and_are_tried_again(connection)
    material_of_every_size(connection)


def make(connection: Connection, statement: Statement) -> None:
    execute(connection, statement.sql, statement.parameters)


def keys_end_in_every_way(connection: Connection) -> None:
    """An expired or archived key keeps its live version, a revoked one does not."""
    for path in (
        ("expired",),
        ("rotated",),
        ("rotated", "archived"),
        ("expired", "archived"),
        ("expired", "revoked"),
        ("revoked", "archived"),
    ):
        key = master(connection)
        live_version(connection, key)
        for status in path:
            make(connection, changing("key_masters", key, status=status))


def destroyed_versions_keep_their_wrappers(connection: Connection) -> None:
    wrapper, _ = wrapping(connection)
    wrapped, _ = wrapping(connection, master(connection), wrapped_by_version_id=wrapper["id"])
    make(connection, changing("key_versions", wrapped, destroyed_at=now(), encrypted_key_data=None))
    make(connection, destroying(wrapper))


def rewrapped_chains_turn_round(connection: Connection) -> None:
    """Wrap b by a and a by c, then b by nothing here and a by b."""
    a, b, c = (wrapping(connection)[0] for _ in range(3))
    make(connection, rewrapping(b, a))
    make(connection, rewrapping(a, c))
    elsewhere: dict[str, Any] = {"wrapped_by_version_id": None, "wrapping_key_ref": "kms://other"}
    make(connection, changing("key_versions", b, encrypted_key_data=b"\x01" + bytes(60), **elsewhere))
    make(connection, rewrapping(a, b))


def rotations_fail_and_are_tried_again(connection: Connection) -> None:
    key = master(connection)
    rotation = insert(connection, "key_rotations", **key_rotation(key))
    for ends in ("FAILED", "COMPLETED"):
        make(connection, claiming(rotation, "worker"))
        make(connection, changing("key_rotations", rotation, status=ends))
        if ends == "FAILED":
            make(connection, changing("key_rotations", rotation, status="SCHEDULED"))


def material_of_every_size(connection: Connection) -> None:
    for bits in (1, 8, 64, 65, 128, 256, 521, 4096):
        key = kek(connection, key_size_bits=bits)
        padded = -(-bits // 64) * 8
        wrapping(connection, key)
        wrapping(connection, key, encrypted_key_data=b"\x02" + bytes(8 + padded), version_number=2)
    held = active_key_master(hsm_provider="pkcs11", hsm_key_id="handle")
    insert(connection, "key_masters", **held)
    ended: Row = {"activated_at": FIRST, "deactivated_at": SECOND, "destroyed_at": THIRD}
    insert(connection, "key_versions", **key_version(held, created_at=FIRST, **ended))
