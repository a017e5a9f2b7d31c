"""A key is due at 90 % of the number of uses at which it encrypts no more, without a policy."""

from typing import Any

import pytest

from kms_schema.vocabulary import KeyType
from support.counters import set_counters
from support.rows.smallest import Row, hsm_key_master, insert, key_master, key_version, now
from support.shared import SharedDatabase
from support.statements import execute
from tests.rotations.setups import a_key, a_policy, queue_of

pytestmark = pytest.mark.versions("oldest and newest")

LIMIT = {"max_usage_count": 105}
OF_CIPHER = {"algorithm": "AES-256-GCM"}


def used(shared: SharedDatabase, count: int) -> list[tuple[Any, ...]]:
    """Count use up to `count`, and return what is due."""
    set_counters(shared.connection, usage_count=count)
    return [
        (row["reason"], bool(row["overdue"]), row["policy_id"], row["due_at"])
        for row in queue_of(shared.connection).due()
    ]


@pytest.mark.parametrize(
    ("key", "last", "limit"),
    [
        (LIMIT, 94, 105),
        (OF_CIPHER, 1932735283, 2**31),
        (OF_CIPHER | LIMIT, 94, 105),
        ({"max_usage_count": 1}, 0, 1),
        ({}, 9 * 10**14 - 1, 10**15),
    ],
    ids=["own", "cipher", "both", "one", "none"],
)
def test_a_key_is_due_from_90_percent_of_its_limit_on(shared: SharedDatabase, key: Row, last: int, limit: int) -> None:
    a_key(shared.connection, **key)
    assert used(shared, last) == []
    if last + 1 < limit:
        assert used(shared, last + 1) == [("usage", False, None, None)]
    assert used(shared, limit) == [("usage", True, None, None)]
    assert queue_of(shared.connection).schedule_due().scheduled == 1
    query = 'SELECT "trigger", policy_id FROM key_rotations'
    assert execute(shared.connection, query).fetchall() == [("usage_count", None)]


@pytest.mark.parametrize("key_type", KeyType)
def test_keys_of_every_type_are_due(shared: SharedDatabase, key_type: KeyType) -> None:
    held = hsm_key_master() if key_type == "hsm" else {}
    a_key(shared.connection, **{**held, **LIMIT, "key_type": str(key_type)})
    assert used(shared, 95) == [("usage", False, None, None)]


def test_a_key_is_due_when_its_limit_is_lowered(shared: SharedDatabase) -> None:
    a_key(shared.connection)
    assert used(shared, 95) == []
    for limit, due in ((105, 1), (106, 0), (None, 0), (95, 1)):
        execute(shared.connection, "UPDATE key_masters SET max_usage_count = :limit", {"limit": limit})
        assert len(queue_of(shared.connection).due()) == due


@pytest.mark.parametrize("was", ["pending", "rolled back"])
def test_a_limit_that_was_set_while_no_version_was_live_makes_the_key_due(shared: SharedDatabase, was: str) -> None:
    at = {"at": now()}
    if was == "pending":
        key = insert(shared.connection, "key_masters", **key_master(created_at=at["at"]))
        insert(shared.connection, "key_versions", **key_version(key, created_at=at["at"]))
    else:
        a_key(shared.connection)
        execute(shared.connection, "UPDATE key_versions SET deactivated_at = :at", at)
    execute(shared.connection, "UPDATE key_masters SET max_usage_count = 105")
    if was == "pending":
        execute(shared.connection, "UPDATE key_versions SET activated_at = :at", at)
        execute(shared.connection, "UPDATE key_masters SET status = 'active', activated_at = :at", at)
    else:
        execute(shared.connection, "UPDATE key_versions SET deactivated_at = NULL")
    assert used(shared, 94) == []
    assert used(shared, 95) == [("usage", False, None, None)]
    assert used(shared, 105) == [("usage", True, None, None)]


def test_a_limit_that_is_passed_precedes_one_that_is_near(shared: SharedDatabase) -> None:
    nothing_else = {"rotation_interval_days": None, "rotate_on_security_incident": False}
    policy = a_policy(shared.connection, max_operations=96, **nothing_else)
    a_key(shared.connection, **LIMIT)
    for count, overdue, by in ((95, False, None), (96, True, policy["policy_name"]), (105, True, None)):
        used(shared, count)
        [row] = queue_of(shared.connection).due()
        assert (bool(row["overdue"]), row["policy_name"]) == (overdue, by)
    assert queue_of(shared.connection).backfill() == 0
