"""Keys that are due, and the queue of a database."""

import datetime as dt
from typing import Any

from kms_schema.rotations import RotationQueue, open_queue
from support.engines.database import Connection
from support.rows import smallest
from support.rows.smallest import Row, insert
from support.statements import adapt, dialect_of, execute

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def queue_of(connection: Connection) -> RotationQueue:
    return open_queue(connection)


def a_policy(connection: Connection, **over: Any) -> Row:
    return insert(connection, "rotation_policies", **smallest.rotation_policy(**over))


def a_key(connection: Connection, *, age: dt.timedelta = 100 * DAY, live: Row | None = None, **over: Any) -> Row:
    """Insert an active key of some age, with a live version."""
    at = smallest.now() - age
    key = insert(connection, "key_masters", **smallest.active_key_master(created_at=at, activated_at=at, **over))
    insert(connection, "key_versions", **smallest.live_key_version(key, created_at=at, activated_at=at, **(live or {})))
    return key


def a_rotation(connection: Connection, key: Row | None = None, **over: Any) -> Row:
    """Insert a rotation that may be claimed now, unless `over` says otherwise."""
    key = key or a_key(connection)
    return insert(
        connection, "key_rotations", **smallest.key_rotation(key, **{"scheduled_at": smallest.now() - HOUR, **over})
    )


def stored(connection: Connection, rotation: Any, *columns: str) -> tuple[Any, ...]:
    """Return columns of a rotation by its id; times as Python has them."""
    listed = ", ".join(f'"{column}"' for column in columns)
    found = execute(connection, f"SELECT {listed} FROM key_rotations WHERE id = :id", {"id": rotation}).fetchone()  # noqa: S608
    assert found is not None
    return tuple(
        dt.datetime.fromisoformat(value) if column.endswith("_at") and isinstance(value, str) else value
        for column, value in zip(columns, found, strict=True)
    )


def set_values(connection: Connection, rotation: Any, **values: Any) -> None:
    """Change a rotation directly, without the queue."""
    settings = ", ".join(f'"{column}" = :{column}' for column in values)
    changed = {name: adapt(value, dialect_of(connection)) for name, value in values.items()}
    done = execute(connection, f"UPDATE key_rotations SET {settings} WHERE id = :id", {"id": rotation, **changed})  # noqa: S608
    assert done.rowcount == 1


def expire(connection: Connection, rotation: Any) -> None:
    """Set the end of a lease to a second ago."""
    set_values(connection, rotation, lease_expires_at=smallest.now() - dt.timedelta(seconds=1))
