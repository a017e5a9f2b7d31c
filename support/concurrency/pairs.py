"""Pairs of conflicting statements, for each rule that reads other rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from support.concurrency.setups import (
    activate_or,
    activate_or_destroy,
    activate_two,
    add_blob_or_move_into_hsm,
    add_handle_or_move_out_of_hsm,
    add_live_or_reactivate,
    add_live_or_revoke,
    add_same_key,
    add_same_version,
    add_to_deleted,
    append_two_entries,
    change_status_twice,
    claim_twice,
    count_up_and_down,
    four_parents,
    four_wrappers,
    open_or_retry,
    open_two_rotations,
    policy_rotation_or_delete,
    reactivate_or_revoke,
    reparent_to_deleted,
    retry_and_count_twice,
    retry_twice,
    rewrap_or_delete,
    rewrap_or_destroy,
    take_over_or_complete,
    take_over_twice,
    three_parents,
    three_wrappers,
    two_parents,
    two_wrappers,
    wrap_or_delete,
    wrap_or_destroy,
)
from support.concurrency.statements import Statement
from support.engines.database import Connection
from support.rows.smallest import audit_entry, key_master, key_rotation, key_version


@dataclass(frozen=True)
class Pair:
    """Two statements, and the result of the second when they run one after the other."""

    name: str
    make: Callable[[Connection], tuple[Statement, Statement]]
    second_is_refused: Literal["in both orders", "in one order", "in no order"]
    destroys: bool = False
    """The second statement destroys a version, which requires READ COMMITTED."""

    def __str__(self) -> str:
        """Return the name, for pytest's ids."""
        return self.name.replace(" ", "-")


PAIRS = (
    Pair("two keys become each other's parent", two_parents, "in both orders"),
    Pair("three keys become parents in a circle", three_parents, "in both orders"),
    Pair("four keys become parents in a circle", four_parents, "in both orders"),
    Pair("two versions wrap each other", two_wrappers, "in both orders"),
    Pair("three versions wrap in a circle", three_wrappers, "in both orders"),
    Pair("four versions wrap in a circle", four_wrappers, "in both orders"),
    Pair("wrap under a version or destroy it", wrap_or_destroy, "in both orders", destroys=True),
    Pair("rewrap under a version or destroy it", rewrap_or_destroy, "in both orders", destroys=True),
    Pair("wrap under a key or delete it", wrap_or_delete, "in both orders"),
    Pair("rewrap under a key or delete it", rewrap_or_delete, "in both orders"),
    Pair("activate a version or destroy it", activate_or_destroy, "in both orders", destroys=True),
    Pair("activate a version or revoke its key", activate_or("revoked"), "in one order"),
    Pair("activate a version or expire its key", activate_or("expired"), "in one order"),
    Pair("activate a version or archive its key", activate_or("archived", before="rotated"), "in one order"),
    Pair("reactivate a version or revoke its key", reactivate_or_revoke, "in one order"),
    Pair("add a live version or revoke its key", add_live_or_revoke, "in one order"),
    Pair("activate two versions", activate_two, "in both orders"),
    Pair("add a live version or reactivate one", add_live_or_reactivate, "in both orders"),
    Pair("add the same version twice", add_same_version, "in both orders"),
    Pair("add the same key twice", add_same_key, "in both orders"),
    Pair("add a blob or move into an HSM", add_blob_or_move_into_hsm, "in both orders"),
    Pair("add a handle or move out of an HSM", add_handle_or_move_out_of_hsm, "in both orders"),
    Pair(
        "add a child or delete its parent",
        add_to_deleted("key_masters", lambda key: key_master(parent_key_id=key["key_id"])),
        "in both orders",
    ),
    Pair("reparent a key or delete its parent", reparent_to_deleted, "in both orders"),
    Pair(
        "add a version or delete its key",
        add_to_deleted("key_versions", lambda key: key_version(key, version_number=2)),
        "in one order",
    ),
    Pair(
        "add a rotation or delete its key",
        add_to_deleted("key_rotations", lambda key: key_rotation(key, old_version=1)),
        "in both orders",
    ),
    Pair(
        "add an audit entry or delete its key",
        add_to_deleted("key_audit_logs", lambda key: audit_entry(key_id=key["id"])),
        "in both orders",
    ),
    Pair("open two rotations of a key", open_two_rotations, "in both orders"),
    Pair("open a rotation or retry one", open_or_retry, "in both orders"),
    Pair("claim a rotation twice", claim_twice, "in both orders"),
    Pair("take over an expired lease twice", take_over_twice, "in both orders"),
    Pair("take over a rotation or complete it", take_over_or_complete, "in both orders"),
    Pair("retry a rotation twice", retry_twice, "in no order"),
    Pair("retry a rotation and count twice", retry_and_count_twice, "in both orders"),
    Pair("add a policy's rotation or delete the policy", policy_rotation_or_delete, "in one order"),
    Pair("count up and down", count_up_and_down, "in one order"),
    Pair("change a status twice", change_status_twice, "in one order"),
    Pair("append two audit entries", append_two_entries, "in no order"),
)
