"""Keys that are due for rotation, and what became of them."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from kms_schema.keyring import KeyRing
from support.engines import Database
from support.rows.smallest import now, unique
from tests.keyring.rings import change, rows
from tests.rotations.setups import DAY, a_policy

OLD = 91 * DAY


def quarterly(database: Database, key_type: str = "dek") -> None:
    """Rotate the keys of a type after 90 days."""
    with closing(database.connect()) as connection:
        a_policy(connection, policy_name=f"quarterly {key_type}", key_type=key_type, rotation_interval_days=90)


def old_key(ring: KeyRing, under: str, **options: Any) -> str:
    """Create a key that is in use for 91 days."""
    name = unique("orders")
    ring.create(name, under=under, activated_at=now() - OLD, **options)
    return name


def rotation(database: Database, key_id: str, *columns: str) -> tuple[Any, ...]:
    """Return columns of the last rotation of a key."""
    named = ", ".join(f'r."{each}"' for each in columns)
    query = (
        f"SELECT {named} FROM key_rotations AS r JOIN key_masters AS m ON m.id = r.key_id"  # noqa: S608
        " WHERE m.key_id = :key ORDER BY r.scheduled_at DESC, r.id DESC"
    )
    return rows(database, query, key=key_id)[0]


def live(database: Database, key_id: str) -> list[int]:
    """Return the numbers of the live versions of a key: one, if all is well."""
    query = (
        "SELECT v.version_number FROM key_versions AS v JOIN key_masters AS m ON m.id = v.key_id"
        " WHERE m.key_id = :key AND v.activated_at IS NOT NULL AND v.deactivated_at IS NULL"
    )
    return [number for (number,) in rows(database, query, key=key_id)]


def versions_under(database: Database, key_id: str) -> dict[int, int]:
    """Return how many versions each version of a KEK wraps, without those that wrap none."""
    query = (
        "SELECT v.version_number, count(*) FROM key_versions AS v JOIN key_masters AS m ON m.id = v.key_id"
        " JOIN key_versions AS w ON w.wrapped_by_version_id = v.id WHERE m.key_id = :key GROUP BY v.version_number"
    )
    return dict(rows(database, query, key=key_id))  # type: ignore[arg-type]


def recorded(database: Database, key_id: str) -> list[tuple[str, str | None]]:
    """Return the types and actors of the entries about a key."""
    query = (
        "SELECT event_type, user_id FROM key_audit_logs AS e JOIN key_masters AS m ON m.id = e.key_id"
        " WHERE m.key_id = :key ORDER BY sequence"
    )
    return rows(database, query, key=key_id)  # type: ignore[return-value]


def give_up_leases(database: Database) -> None:
    """Let the leases and the rests of all rotations end now."""
    past = "2020-01-01T00:00:00.000000Z"
    change(database, "UPDATE key_rotations SET lease_expires_at = :past WHERE status = 'RUNNING'", past=past)
    change(
        database,
        "UPDATE key_rotations SET next_retry_at = :past WHERE status = 'FAILED' AND next_retry_at IS NOT NULL",
        past=past,
    )


def wait_until(true: Callable[[], bool]) -> None:
    """Wait at most half a minute."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
