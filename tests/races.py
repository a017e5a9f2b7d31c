"""Pairs of statements that must not both have their way: races for each rule that reads other rows."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.engines.database import Connection
from tests.moves import (
    EXPIRED,
    Move,
    activating,
    adding,
    changing,
    claiming,
    deleting,
    destroying,
    ended_version,
    failed,
    kek,
    live_version,
    master,
    reactivating,
    reparenting,
    rewrapping,
    running,
    version,
    wrapped_under,
)
from tests.rows import (
    Row,
    audit_entry,
    insert,
    key_master,
    key_rotation,
    key_version,
    live_key_version,
    now,
    rotation_policy,
)


@dataclass(frozen=True)
class Race:
    """Two moves, and what becomes of the second when they are made one after the other."""

    name: str
    make: Callable[[Connection], tuple[Move, Move]]
    second_is_refused: Literal["in both orders", "in one order", "in no order"]
    destroys: bool = False
    """The second move destroys a version, which wants READ COMMITTED."""

    def __str__(self) -> str:
        """Return the name, for pytest's ids."""
        return self.name.replace(" ", "-")


def two_parents(connection: Connection) -> tuple[Move, Move]:
    a, b = kek(connection), kek(connection)
    return reparenting(a, b), reparenting(b, a)


def three_parents(connection: Connection) -> tuple[Move, Move]:
    c = kek(connection)
    b = kek(connection, parent_key_id=c["key_id"])
    a = kek(connection)
    return reparenting(a, b), reparenting(c, a)


def two_wrappers(connection: Connection) -> tuple[Move, Move]:
    a, b = (version(connection, kek(connection)) for _ in range(2))
    return rewrapping(a, b), rewrapping(b, a)


def three_wrappers(connection: Connection) -> tuple[Move, Move]:
    c = version(connection, kek(connection))
    b = version(connection, kek(connection), wrapped_by_version_id=c["id"])
    a = version(connection, kek(connection))
    return rewrapping(a, b), rewrapping(c, a)


def wrap_or_destroy(connection: Connection) -> tuple[Move, Move]:
    wrapper, key = version(connection, kek(connection)), master(connection)
    return adding("key_versions", wrapped_under(wrapper, key)), destroying(wrapper)


def rewrap_or_destroy(connection: Connection) -> tuple[Move, Move]:
    wrapper, wrapped = version(connection, kek(connection)), version(connection, master(connection))
    return rewrapping(wrapped, wrapper), destroying(wrapper)


def wrap_or_delete(connection: Connection) -> tuple[Move, Move]:
    wrapping_key, key = kek(connection), master(connection)
    wrapper = version(connection, wrapping_key)
    return adding("key_versions", wrapped_under(wrapper, key)), deleting("key_masters", wrapping_key)


def rewrap_or_delete(connection: Connection) -> tuple[Move, Move]:
    wrapping_key, wrapped = kek(connection), version(connection, master(connection))
    return rewrapping(wrapped, version(connection, wrapping_key)), deleting("key_masters", wrapping_key)


def activate_or_destroy(connection: Connection) -> tuple[Move, Move]:
    activated = version(connection, master(connection))
    return activating(activated), destroying(activated)


def activate_or(status: str, before: str = "active") -> Callable[[Connection], tuple[Move, Move]]:
    def make(connection: Connection) -> tuple[Move, Move]:
        over = {"rotated_at": now()} if before == "rotated" else {}
        key = master(connection, status=before, **over)
        return activating(version(connection, key)), changing("key_masters", key, status=status)

    return make


def reactivate_or_revoke(connection: Connection) -> tuple[Move, Move]:
    key = master(connection)
    ended = ended_version(connection, key)
    return reactivating(ended), changing("key_masters", key, status="revoked")


def add_live_or_revoke(connection: Connection) -> tuple[Move, Move]:
    key = master(connection)
    return adding("key_versions", live_key_version(key)), changing("key_masters", key, status="revoked")


def activate_two(connection: Connection) -> tuple[Move, Move]:
    key = master(connection)
    return activating(version(connection, key)), activating(version(connection, key, version_number=2))


def add_live_or_reactivate(connection: Connection) -> tuple[Move, Move]:
    key = master(connection)
    ended = ended_version(connection, key)
    return adding("key_versions", live_key_version(key, version_number=2)), reactivating(ended)


def add_same_version(connection: Connection) -> tuple[Move, Move]:
    key = master(connection)
    return adding("key_versions", key_version(key)), adding("key_versions", key_version(key))


def add_blob_or_move_into_hsm(connection: Connection) -> tuple[Move, Move]:
    key = master(connection)
    handle = {"hsm_provider": "pkcs11", "hsm_key_id": "handle"}
    return adding("key_versions", key_version(key)), changing("key_masters", key, **handle)


def add_handle_or_move_out_of_hsm(connection: Connection) -> tuple[Move, Move]:
    key = master(connection, hsm_provider="pkcs11", hsm_key_id="handle")
    return adding("key_versions", key_version(key)), changing("key_masters", key, hsm_provider=None, hsm_key_id=None)


def add_to_deleted(table: str, row: Callable[[Row], Row]) -> Callable[[Connection], tuple[Move, Move]]:
    def make(connection: Connection) -> tuple[Move, Move]:
        key = kek(connection)
        version(connection, key)
        return adding(table, row(key)), deleting("key_masters", key)

    return make


def reparent_to_deleted(connection: Connection) -> tuple[Move, Move]:
    child, parent = kek(connection), kek(connection)
    return reparenting(child, parent), deleting("key_masters", parent)


def open_two_rotations(connection: Connection) -> tuple[Move, Move]:
    key = master(connection)
    return adding("key_rotations", key_rotation(key)), adding("key_rotations", key_rotation(key))


def open_or_retry(connection: Connection) -> tuple[Move, Move]:
    key = master(connection)
    again = insert(connection, "key_rotations", **failed(key))
    return adding("key_rotations", key_rotation(key)), changing("key_rotations", again, status="SCHEDULED")


def claim_twice(connection: Connection) -> tuple[Move, Move]:
    rotation = insert(connection, "key_rotations", **key_rotation(master(connection)))
    return claiming(rotation, "first"), claiming(rotation, "second")


def take_over_twice(connection: Connection) -> tuple[Move, Move]:
    rotation = insert(connection, "key_rotations", **running(master(connection), EXPIRED))
    return claiming(rotation, "first"), claiming(rotation, "second")


def take_over_or_complete(connection: Connection) -> tuple[Move, Move]:
    rotation = insert(connection, "key_rotations", **running(master(connection), EXPIRED))
    completing = changing("key_rotations", rotation, status="COMPLETED", claimed_by="worker")
    return claiming(rotation, "another"), completing


def retry_twice(connection: Connection) -> tuple[Move, Move]:
    rotation = insert(connection, "key_rotations", **failed(master(connection)))
    again = changing("key_rotations", rotation, status="SCHEDULED")
    return again, again


def retry_and_count_twice(connection: Connection) -> tuple[Move, Move]:
    rotation = insert(connection, "key_rotations", **failed(master(connection)))
    again = changing("key_rotations", rotation, status="SCHEDULED")
    counted = Move(again.statement.replace(" WHERE", ", retry_count = retry_count + 1 WHERE"), again.parameters)
    return counted, counted


def policy_rotation_or_delete(connection: Connection) -> tuple[Move, Move]:
    policy = insert(connection, "rotation_policies", **rotation_policy())
    rotation = key_rotation(master(connection), policy_id=policy["id"])
    return adding("key_rotations", rotation), deleting("rotation_policies", policy)


def count_up_and_down(connection: Connection) -> tuple[Move, Move]:
    counted = live_version(connection, master(connection))
    return changing("key_versions", counted, usage_count=5), changing("key_versions", counted, usage_count=10)


def change_status_twice(connection: Connection) -> tuple[Move, Move]:
    key = master(connection)
    return changing("key_masters", key, status="rotated"), changing("key_masters", key, status="expired")


def append_two_entries(connection: Connection) -> tuple[Move, Move]:
    key = master(connection)
    entry = audit_entry(key_id=key["id"])
    return adding("key_audit_logs", entry), adding("key_audit_logs", entry)


def add_same_key(connection: Connection) -> tuple[Move, Move]:
    del connection
    row = key_master()
    return adding("key_masters", row), adding("key_masters", {**row, "id": uuid.uuid4()})


RACES = (
    Race("two keys become each other's parent", two_parents, "in both orders"),
    Race("three keys become parents in a circle", three_parents, "in both orders"),
    Race("two versions wrap each other", two_wrappers, "in both orders"),
    Race("three versions wrap in a circle", three_wrappers, "in both orders"),
    Race("wrap under a version or destroy it", wrap_or_destroy, "in both orders", destroys=True),
    Race("rewrap under a version or destroy it", rewrap_or_destroy, "in both orders", destroys=True),
    Race("wrap under a key or delete it", wrap_or_delete, "in both orders"),
    Race("rewrap under a key or delete it", rewrap_or_delete, "in both orders"),
    Race("activate a version or destroy it", activate_or_destroy, "in both orders", destroys=True),
    Race("activate a version or revoke its key", activate_or("revoked"), "in one order"),
    Race("activate a version or expire its key", activate_or("expired"), "in one order"),
    Race("activate a version or archive its key", activate_or("archived", before="rotated"), "in one order"),
    Race("reactivate a version or revoke its key", reactivate_or_revoke, "in one order"),
    Race("add a live version or revoke its key", add_live_or_revoke, "in one order"),
    Race("activate two versions", activate_two, "in both orders"),
    Race("add a live version or reactivate one", add_live_or_reactivate, "in both orders"),
    Race("add the same version twice", add_same_version, "in both orders"),
    Race("add the same key twice", add_same_key, "in both orders"),
    Race("add a blob or move into an HSM", add_blob_or_move_into_hsm, "in both orders"),
    Race("add a handle or move out of an HSM", add_handle_or_move_out_of_hsm, "in both orders"),
    Race(
        "add a child or delete its parent",
        add_to_deleted("key_masters", lambda key: key_master(parent_key_id=key["key_id"])),
        "in both orders",
    ),
    Race("reparent a key or delete its parent", reparent_to_deleted, "in both orders"),
    Race(
        "add a version or delete its key",
        add_to_deleted("key_versions", lambda key: key_version(key, version_number=2)),
        "in one order",
    ),
    Race(
        "add a rotation or delete its key",
        add_to_deleted("key_rotations", lambda key: key_rotation(key, old_version=1)),
        "in both orders",
    ),
    Race(
        "add an audit entry or delete its key",
        add_to_deleted("key_audit_logs", lambda key: audit_entry(key_id=key["id"])),
        "in both orders",
    ),
    Race("open two rotations of a key", open_two_rotations, "in both orders"),
    Race("open a rotation or retry one", open_or_retry, "in both orders"),
    Race("claim a rotation twice", claim_twice, "in both orders"),
    Race("take over an expired lease twice", take_over_twice, "in both orders"),
    Race("take over a rotation or complete it", take_over_or_complete, "in both orders"),
    Race("retry a rotation twice", retry_twice, "in no order"),
    Race("retry a rotation and count twice", retry_and_count_twice, "in both orders"),
    Race("add a policy's rotation or delete the policy", policy_rotation_or_delete, "in one order"),
    Race("count up and down", count_up_and_down, "in one order"),
    Race("change a status twice", change_status_twice, "in one order"),
    Race("append two audit entries", append_two_entries, "in no order"),
)
