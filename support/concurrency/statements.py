"""The statements of the sessions of a pair: one each, on rows that a setup inserts.

Times are given, so that no rule depends on the order of the sessions.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from support.engines.database import Connection
from support.rows.smallest import (
    Row,
    active_key_master,
    envelope,
    insert,
    key_master,
    key_rotation,
    key_version,
    live_key_version,
    now,
)

EXPIRED = timedelta(minutes=-1)
"""A lease that expired a minute ago."""


@dataclass(frozen=True)
class Statement:
    """One SQL statement of a session."""

    sql: str
    parameters: Row


def adding(table: str, row: Row) -> Statement:
    """Return the statement that inserts `row`."""
    columns = ", ".join(f'"{column}"' for column in row)
    return Statement(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(f':{column}' for column in row)})", row)  # noqa: S608


def changing(table: str, row: Row, **values: Any) -> Statement:
    """Return the statement that sets `values` in `row`."""
    assignments = ", ".join(f"{column} = :{column}" for column in values)
    return Statement(f"UPDATE {table} SET {assignments} WHERE id = :id", {"id": row["id"], **values})  # noqa: S608


def deleting(table: str, row: Row) -> Statement:
    """Return the statement that deletes `row`."""
    return Statement(f"DELETE FROM {table} WHERE id = :id", {"id": row["id"]})  # noqa: S608


def master(connection: Connection, **over: Any) -> Row:
    """Insert an active data encryption key."""
    return insert(connection, "key_masters", **active_key_master(**over))


def kek(connection: Connection, **over: Any) -> Row:
    """Insert an active key encryption key."""
    return master(connection, key_type="kek", **over)


def unused_kek(connection: Connection) -> Row:
    """Insert a key encryption key without audit entries that reference it, so that it may be deleted."""
    return insert(connection, "key_masters", **key_master(key_type="kek", created_at=now()))


def version(connection: Connection, of: Row, **over: Any) -> Row:
    """Insert a version that is not live."""
    return insert(connection, "key_versions", **key_version(of, created_at=of["created_at"], **over))


def live_version(connection: Connection, of: Row, **over: Any) -> Row:
    """Insert the live version of a key."""
    return insert(connection, "key_versions", **live_key_version(of, **over))


def ended_version(connection: Connection, of: Row) -> Row:
    """Insert a version that was live."""
    at = of["created_at"]
    return live_version(connection, of, created_at=at, activated_at=at, deactivated_at=now())


def reparenting(child: Row, parent: Row) -> Statement:
    return changing("key_masters", child, parent_key_id=parent["key_id"])


def rewrapping(wrapped: Row, wrapper: Row) -> Statement:
    return changing(
        "key_versions",
        wrapped,
        encrypted_key_data=envelope(256),
        wrapped_by_version_id=wrapper["id"],
        wrapping_key_ref=None,
    )


def wrapped_under(wrapper: Row, of: Row) -> Row:
    return key_version(of, wrapped_by_version_id=wrapper["id"])


def destroying(destroyed: Row) -> Statement:
    return changing(
        "key_versions",
        destroyed,
        destroyed_at=now(),
        encrypted_key_data=None,
        wrapped_by_version_id=None,
        wrapping_key_ref=None,
    )


def activating(activated: Row) -> Statement:
    return changing("key_versions", activated, activated_at=now())


def reactivating(activated: Row) -> Statement:
    return changing("key_versions", activated, deactivated_at=None)


def running(of: Row, lease: timedelta, **over: Any) -> Row:
    begun = now() - timedelta(hours=1)
    return key_rotation(
        of, status="RUNNING", started_at=begun, claimed_by="worker", lease_expires_at=now() + lease, **over
    )


def failed(of: Row) -> Row:
    begun = now() - timedelta(hours=1)
    return key_rotation(of, status="FAILED", started_at=begun, failed_at=now())


def claiming(rotation: Row, worker: str) -> Statement:
    return changing(
        "key_rotations", rotation, status="RUNNING", claimed_by=worker, lease_expires_at=now() + timedelta(hours=1)
    )
