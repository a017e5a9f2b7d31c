"""Keys that are due, rotated by `ring.run_rotations`: data keys, KEKs with what they wrap, and what goes wrong."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from kms_schema.keyring import CachePolicy, KeyRing
from tests.keyring.conftest import MakeRing
from tests.keyring.rings import AAD, DATA, ROOT, change, rows, value
from tests.rotations.setups import DAY, a_policy
from tests.support.engines import Database
from tests.support.rows.smallest import now, unique

OLD = 91 * DAY


@pytest.fixture(autouse=True, scope="module")
def _policy(database: Database) -> None:
    """Data keys rotate after 90 days."""
    with closing(database.connect()) as connection:
        a_policy(connection, policy_name="quarterly", key_type="dek", rotation_interval_days=90)


@pytest.fixture
def fast(make_ring: MakeRing) -> KeyRing:
    """A ring that does not wait long for what other rings have cached."""
    return make_ring(cache=CachePolicy(max_age=0.2))


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
        " WHERE m.key_id = :key ORDER BY r.id DESC"
    )
    return rows(database, query, key=key_id)[0]


LIVE = (
    "SELECT v.version_number FROM key_versions AS v JOIN key_masters AS m ON m.id = v.key_id"
    " WHERE m.key_id = :key AND v.activated_at IS NOT NULL AND v.deactivated_at IS NULL"
)


def live(database: Database, key_id: str) -> list[int]:
    """Return the numbers of the live versions of a key: one, if all is well."""
    return [number for (number,) in rows(database, LIVE, key=key_id)]


def test_a_data_key_that_is_due_is_rotated(ring: KeyRing, kek: str, database: Database) -> None:
    name = old_key(ring, kek)
    before = ring.key(name).encrypt(DATA, aad=AAD)
    done = ring.run_rotations(worker="night-1", actor="cron")
    assert (done.completed, done.failed, done.lost) == (1, 0, 0)
    assert rotation(database, name, "status", "old_version", "new_version", "trigger") == ("COMPLETED", 1, 2, "scheduled")
    assert live(database, name) == [2]
    assert ring.key(name).decrypt(before, aad=AAD) == DATA
    assert ring.inspect(ring.key(name).encrypt(DATA, aad=AAD)).version == 2
    assert ring.run_rotations(worker="night-1").completed == 0
