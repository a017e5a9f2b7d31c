"""A client that sets counters to their maximum breaks nothing: keys rotate, views are read, totals stop there."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from kms_schema.rotations.refresh import refresh
from support.counters import set_counters
from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import Row, active_key_master, insert, key_rotation, key_version, live_key_version
from support.statements import execute, refused

MOST = 10**15
OVERFLOWING_KEYS = 9_300
"""So many counters at their maximum add up to more than 64 bits hold."""
COUNT = "UPDATE key_versions SET usage_count = :uses"
MANY_KEYS = """
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :keys)
    INSERT INTO key_masters (key_id, key_type, algorithm, key_size_bits, usage_count)
    SELECT 'key-' || n, 'dek', 'AES-256', 256, :most FROM number
"""


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with closing(database.connect()) as opened:
        yield opened


def one(connection: Connection, query: str, **parameters: Any) -> Any:
    return execute(connection, query, parameters).fetchone()[0]


def two_versions(connection: Connection, **over: Any) -> Row:
    """Insert an active key with a former version and a live one."""
    key = insert(connection, "key_masters", **active_key_master(**over))
    row = live_key_version(key)
    insert(connection, "key_versions", **{**row, "deactivated_at": row["activated_at"]})
    insert(connection, "key_versions", **live_key_version(key, version_number=2))
    return key


def rotate(connection: Connection, key: Row) -> None:
    execute(connection, "UPDATE key_versions SET deactivated_at = activated_at WHERE deactivated_at IS NULL")
    insert(connection, "key_versions", **key_version(key, version_number=3))
    execute(connection, "UPDATE key_versions SET activated_at = created_at WHERE version_number = 3")


@pytest.mark.versions("oldest and newest")
def test_keys_rotate_and_refresh_with_all_counters_at_their_maximum(connection: Connection) -> None:
    key = two_versions(connection, max_usage_count=MOST)
    for beyond in (2**63 - 1, MOST + 1):
        refused(connection, COUNT, {"uses": beyond}, rule="ck_key_versions_usage_count_range")
    set_counters(connection, usage_count=MOST, data_volume_bytes=2**53)
    refresh(connection)
    assert one(connection, "SELECT usage_count FROM key_masters") == MOST
    assert one(connection, "SELECT usage_percentage FROM key_health_monitor") == 100
    assert one(connection, "SELECT average_usage FROM key_management_dashboard WHERE section = 'keys'") == float(MOST)
    rotate(connection, key)
    assert one(connection, "SELECT usage_count FROM key_masters") == MOST
    refresh(connection)
    assert one(connection, "SELECT usage_percentage FROM key_health_monitor") == 0


@pytest.mark.versions("oldest and newest")
def test_the_total_of_a_new_version_stops_at_the_maximum(connection: Connection) -> None:
    key = two_versions(connection)
    set_counters(connection, usage_count=MOST)
    insert(connection, "key_versions", **key_version(key, version_number=3, usage_count=MOST))
    assert one(connection, "SELECT usage_count FROM key_masters") == MOST


@pytest.mark.versions("oldest and newest")
def test_rotations_at_their_greatest_numbers_are_counted(connection: Connection) -> None:
    key = two_versions(connection)
    numbers: Row = {"max_retries": 1000, "execution_time_ms": 10**12}
    for status in ("COMPLETED", "FAILED"):
        times = {"started_at": key["created_at"], f"{status.lower()}_at": key["created_at"]}
        retries = {"retry_count": 1000 if status == "FAILED" else 0}
        row = key_rotation(key, status=status, scheduled_at=key["created_at"], **times, **numbers, **retries)
        insert(connection, "key_rotations", **row)
    refresh(connection)
    average = "SELECT average_execution_ms FROM key_management_dashboard WHERE section = 'rotations'"
    assert one(connection, average) == float(10**12)


@pytest.mark.only_on("sqlite")
def test_sums_beyond_64_bits_stop_no_view_on_sqlite(connection: Connection) -> None:
    """A CHECK can be ignored there, and sum() fails where a sum is too great."""
    key = two_versions(connection, max_usage_count=MOST)
    execute(connection, "PRAGMA ignore_check_constraints = on")
    execute(connection, COUNT, {"uses": 2**63 - 1})
    execute(connection, "PRAGMA ignore_check_constraints = off")
    refresh(connection)
    assert one(connection, "SELECT usage_percentage FROM key_health_monitor") > 100
    rotate(connection, key)
    assert one(connection, "SELECT usage_count FROM key_masters") == MOST
    assert one(connection, "SELECT usage_percentage FROM key_health_monitor") == 0
    assert one(connection, "SELECT average_usage FROM key_management_dashboard WHERE section = 'keys'") == float(MOST)


@pytest.mark.only_on("sqlite")
def test_the_dashboard_counts_the_use_of_many_keys_on_sqlite(connection: Connection) -> None:
    execute(connection, MANY_KEYS, {"keys": OVERFLOWING_KEYS, "most": MOST})
    query = "SELECT key_count, average_usage FROM key_management_dashboard WHERE section = 'keys'"
    (count, average) = execute(connection, query).fetchone()
    assert count == OVERFLOWING_KEYS
    assert 4e13 < average <= MOST
