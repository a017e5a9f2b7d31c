"""The rows of each pair, and the statements of its two sessions: see `support/concurrency/pairs.py`."""

import uuid
from collections.abc import Callable

from support.concurrency.statements import (
    EXPIRED,
    Statement,
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
    unused_kek,
    version,
    wrapped_under,
)
from support.engines.database import Connection
from support.rows.smallest import (
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


def two_parents(connection: Connection) -> tuple[Statement, Statement]:
    a, b = kek(connection), kek(connection)
    return reparenting(a, b), reparenting(b, a)


def three_parents(connection: Connection) -> tuple[Statement, Statement]:
    c = kek(connection)
    b = kek(connection, parent_key_id=c["key_id"])
    a = kek(connection)
    return reparenting(a, b), reparenting(c, a)


def four_parents(connection: Connection) -> tuple[Statement, Statement]:
    """Return two statements that touch no common row: only together they close a circle."""
    c, a = kek(connection), kek(connection)
    b, d = (kek(connection, parent_key_id=parent["key_id"]) for parent in (c, a))
    return reparenting(a, b), reparenting(c, d)


def two_wrappers(connection: Connection) -> tuple[Statement, Statement]:
    a, b = (version(connection, kek(connection)) for _ in range(2))
    return rewrapping(a, b), rewrapping(b, a)


def three_wrappers(connection: Connection) -> tuple[Statement, Statement]:
    c = version(connection, kek(connection))
    b = version(connection, kek(connection), wrapped_by_version_id=c["id"])
    a = version(connection, kek(connection))
    return rewrapping(a, b), rewrapping(c, a)


def four_wrappers(connection: Connection) -> tuple[Statement, Statement]:
    """Return two statements that touch no common row: only together they close a circle."""
    c, a = (version(connection, kek(connection)) for _ in range(2))
    b, d = (version(connection, kek(connection), wrapped_by_version_id=wrapper["id"]) for wrapper in (c, a))
    return rewrapping(a, b), rewrapping(c, d)


def wrap_or_destroy(connection: Connection) -> tuple[Statement, Statement]:
    wrapper, key = version(connection, kek(connection)), master(connection)
    return adding("key_versions", wrapped_under(wrapper, key)), destroying(wrapper)


def rewrap_or_destroy(connection: Connection) -> tuple[Statement, Statement]:
    wrapper, wrapped = version(connection, kek(connection)), version(connection, master(connection))
    return rewrapping(wrapped, wrapper), destroying(wrapper)


def wrap_or_delete(connection: Connection) -> tuple[Statement, Statement]:
    wrapping_key, key = unused_kek(connection), master(connection)
    wrapper = version(connection, wrapping_key)
    return adding("key_versions", wrapped_under(wrapper, key)), deleting("key_masters", wrapping_key)


def rewrap_or_delete(connection: Connection) -> tuple[Statement, Statement]:
    wrapping_key, wrapped = unused_kek(connection), version(connection, master(connection))
    return rewrapping(wrapped, version(connection, wrapping_key)), deleting("key_masters", wrapping_key)


def activate_or_destroy(connection: Connection) -> tuple[Statement, Statement]:
    activated = version(connection, master(connection))
    return activating(activated), destroying(activated)


def activate_or(status: str, before: str = "active") -> Callable[[Connection], tuple[Statement, Statement]]:
    def make(connection: Connection) -> tuple[Statement, Statement]:
        over = {"rotated_at": now()} if before == "rotated" else {}
        key = master(connection, status=before, **over)
        return activating(version(connection, key)), changing("key_masters", key, status=status)

    return make


def reactivate_or_revoke(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection)
    ended = ended_version(connection, key)
    return reactivating(ended), changing("key_masters", key, status="revoked")


def add_live_or_revoke(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection)
    return adding("key_versions", live_key_version(key)), changing("key_masters", key, status="revoked")


def activate_two(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection)
    return activating(version(connection, key)), activating(version(connection, key, version_number=2))


def add_live_or_reactivate(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection)
    ended = ended_version(connection, key)
    return adding("key_versions", live_key_version(key, version_number=2)), reactivating(ended)


def add_same_version(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection)
    return adding("key_versions", key_version(key)), adding("key_versions", key_version(key))


def add_blob_or_move_into_hsm(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection)
    handle = {"hsm_provider": "pkcs11", "hsm_key_id": "handle"}
    return adding("key_versions", key_version(key)), changing("key_masters", key, **handle)


def add_handle_or_move_out_of_hsm(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection, hsm_provider="pkcs11", hsm_key_id="handle")
    return adding("key_versions", key_version(key)), changing("key_masters", key, hsm_provider=None, hsm_key_id=None)


def add_to_deleted(table: str, row: Callable[[Row], Row]) -> Callable[[Connection], tuple[Statement, Statement]]:
    def make(connection: Connection) -> tuple[Statement, Statement]:
        key = unused_kek(connection)
        version(connection, key)
        return adding(table, row(key)), deleting("key_masters", key)

    return make


def reparent_to_deleted(connection: Connection) -> tuple[Statement, Statement]:
    child, parent = kek(connection), unused_kek(connection)
    return reparenting(child, parent), deleting("key_masters", parent)


def open_two_rotations(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection)
    return adding("key_rotations", key_rotation(key)), adding("key_rotations", key_rotation(key))


def open_or_retry(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection)
    again = insert(connection, "key_rotations", **failed(key))
    return adding("key_rotations", key_rotation(key)), changing("key_rotations", again, status="SCHEDULED")


def claim_twice(connection: Connection) -> tuple[Statement, Statement]:
    rotation = insert(connection, "key_rotations", **key_rotation(master(connection)))
    return claiming(rotation, "first"), claiming(rotation, "second")


def take_over_twice(connection: Connection) -> tuple[Statement, Statement]:
    rotation = insert(connection, "key_rotations", **running(master(connection), EXPIRED))
    return claiming(rotation, "first"), claiming(rotation, "second")


def take_over_or_complete(connection: Connection) -> tuple[Statement, Statement]:
    rotation = insert(connection, "key_rotations", **running(master(connection), EXPIRED))
    completing = changing("key_rotations", rotation, status="COMPLETED", claimed_by="worker")
    return claiming(rotation, "another"), completing


def retry_twice(connection: Connection) -> tuple[Statement, Statement]:
    rotation = insert(connection, "key_rotations", **failed(master(connection)))
    again = changing("key_rotations", rotation, status="SCHEDULED")
    return again, again


def retry_and_count_twice(connection: Connection) -> tuple[Statement, Statement]:
    rotation = insert(connection, "key_rotations", **failed(master(connection)))
    again = changing("key_rotations", rotation, status="SCHEDULED")
    counted = Statement(again.sql.replace(" WHERE", ", retry_count = retry_count + 1 WHERE"), again.parameters)
    return counted, counted


def policy_rotation_or_delete(connection: Connection) -> tuple[Statement, Statement]:
    policy = insert(connection, "rotation_policies", **rotation_policy())
    rotation = key_rotation(master(connection), policy_id=policy["id"])
    return adding("key_rotations", rotation), deleting("rotation_policies", policy)


def count_up_and_down(connection: Connection) -> tuple[Statement, Statement]:
    counted = live_version(connection, master(connection))
    return changing("key_versions", counted, usage_count=5), changing("key_versions", counted, usage_count=10)


def change_status_twice(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection)
    return changing("key_masters", key, status="rotated"), changing("key_masters", key, status="expired")


def append_two_entries(connection: Connection) -> tuple[Statement, Statement]:
    key = master(connection)
    entry = audit_entry(key_id=key["id"])
    return adding("key_audit_logs", entry), adding("key_audit_logs", entry)


def add_same_key(connection: Connection) -> tuple[Statement, Statement]:
    del connection
    row = key_master()
    return adding("key_masters", row), adding("key_masters", {**row, "id": uuid.uuid4()})
