"""Statements of more than two sessions, and statements that must not wait for each other."""

from collections.abc import Callable

from support.concurrency.statements import (
    Statement,
    adding,
    changing,
    kek,
    live_version,
    master,
    reparenting,
    rewrapping,
    version,
    wrapped_under,
)
from support.engines.database import Connection
from support.rows.smallest import audit_entry, key_master, key_rotation

Statements = Callable[[Connection], tuple[Statement, ...]]


def circle_of_parents(connection: Connection) -> tuple[Statement, ...]:
    """Return three statements of which two succeed."""
    a, b, c = (kek(connection) for _ in range(3))
    return reparenting(a, b), reparenting(b, c), reparenting(c, a)


def circle_of_wrappers(connection: Connection) -> tuple[Statement, ...]:
    """Return three statements of which two succeed."""
    a, b, c = (version(connection, kek(connection)) for _ in range(3))
    return rewrapping(a, b), rewrapping(b, c), rewrapping(c, a)


def line_of_parents(connection: Connection) -> tuple[Statement, ...]:
    """Return three statements that close no circle; the last two wait for the lock of the first, and meet at `b`."""
    a, b, c, d, e = (kek(connection) for _ in range(5))
    return reparenting(d, e), reparenting(a, b), reparenting(b, c)


def line_of_wrappers(connection: Connection) -> tuple[Statement, ...]:
    """Return three statements that close no circle; the last two wait for the lock of the first, and meet at `b`."""
    a, b, c, d, e = (version(connection, kek(connection)) for _ in range(5))
    for wrapper in (a, b, d):
        version(connection, master(connection), wrapped_by_version_id=wrapper["id"])
    return rewrapping(d, e), rewrapping(a, b), rewrapping(b, c)


def append_two_entries_about_one_key(connection: Connection) -> tuple[Statement, ...]:
    entry = audit_entry(key_id=master(connection)["id"])
    return adding("key_audit_logs", entry), adding("key_audit_logs", entry)


def append_an_entry_and_change_its_key(connection: Connection) -> tuple[Statement, ...]:
    key = master(connection)
    entry = audit_entry(key_id=key["id"])
    return changing("key_masters", key, status="rotated"), adding("key_audit_logs", entry)


def wrap_two_keys_under_one_version(connection: Connection) -> tuple[Statement, ...]:
    wrapper = version(connection, kek(connection))
    return tuple(adding("key_versions", wrapped_under(wrapper, master(connection))) for _ in range(2))


def rewrap_two_keys_under_one_version(connection: Connection) -> tuple[Statement, ...]:
    wrapper = version(connection, kek(connection))
    return tuple(rewrapping(version(connection, master(connection)), wrapper) for _ in range(2))


def count_two_versions_of_one_key(connection: Connection) -> tuple[Statement, ...]:
    key = master(connection)
    numbers = (version(connection, key, version_number=number) for number in (1, 2))
    return tuple(changing("key_versions", counted, usage_count=1) for counted in numbers)


def count_a_version_and_revoke_another_key(connection: Connection) -> tuple[Statement, ...]:
    counted = live_version(connection, master(connection))
    return changing("key_versions", counted, usage_count=1), changing(
        "key_masters", master(connection), status="revoked"
    )


def add_two_children_of_one_key(connection: Connection) -> tuple[Statement, ...]:
    parent = kek(connection)
    return tuple(adding("key_masters", key_master(parent_key_id=parent["key_id"])) for _ in range(2))


def rotate_two_keys(connection: Connection) -> tuple[Statement, ...]:
    return tuple(adding("key_rotations", key_rotation(master(connection))) for _ in range(2))


PARALLEL: tuple[Statements, ...] = (
    append_two_entries_about_one_key,
    append_an_entry_and_change_its_key,
    wrap_two_keys_under_one_version,
    rewrap_two_keys_under_one_version,
    count_two_versions_of_one_key,
    count_a_version_and_revoke_another_key,
    add_two_children_of_one_key,
    rotate_two_keys,
)
