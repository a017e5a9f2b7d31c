"""Counting use stays HOT: no index of a version has a counter in it, so an update touches none."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from support.engines import Database
from support.engines.database import Connection
from support.statements import execute

CLIENTS = 8
COUNTED = 250
"""How often each client counts."""
KEY = """INSERT INTO key_masters (key_id, key_type, algorithm, key_size_bits, status, activated_at)
VALUES ('orders', 'dek', 'AES-256', 256, 'active', now()) RETURNING id"""
LIVE = """INSERT INTO key_versions (key_id, version_number, encrypted_key_data, key_checksum, encryption_metadata,
    wrapping_key_ref, activated_at)
VALUES (:key, 1, '\\x01'::bytea || decode(repeat('ab', 60), 'hex'), repeat('a', 64),
    '{"format": 1, "algorithm": "AES-256-GCM", "associated_data": "key"}', 'kms://root', now()) RETURNING id"""
COUNT = """UPDATE key_versions SET usage_count = usage_count + 1, data_volume_bytes = data_volume_bytes + 4096
WHERE id = :version"""
UPDATES = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'key_versions'"


def hot_share(database: Database) -> float:
    """Let clients count on one version at the same time; return which part of the updates was HOT."""
    with closing(database.connect()) as connection:
        ((key,),) = execute(connection, KEY).fetchall()
        ((version,),) = execute(connection, LIVE, {"key": key}).fetchall()

    def count(_: int) -> None:
        with closing(database.connect()) as client:
            for _ in range(COUNTED):
                execute(client, COUNT, {"version": version})

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(count, range(CLIENTS)))
    with closing(database.connect()) as connection:
        updated, hot = _statistics(connection)
        ((uses, volume),) = execute(connection, "SELECT usage_count, data_volume_bytes FROM key_versions").fetchall()
    assert (uses, volume) == (CLIENTS * COUNTED, 4096 * CLIENTS * COUNTED)
    return hot / updated


def _statistics(connection: Connection) -> tuple[int, int]:
    """Return updates and HOT updates; who left has said what it did, which takes a moment to arrive."""
    updated = hot = 0
    for _ in range(100):
        ((updated, hot),) = execute(connection, UPDATES).fetchall()
        if updated >= CLIENTS * COUNTED:
            break
        time.sleep(0.1)
    assert updated >= CLIENTS * COUNTED
    return updated, hot


@pytest.mark.only_on("postgresql")
def test_counting_use_on_one_version_is_hot(database: Database) -> None:
    assert hot_share(database) >= 0.9  # a client that lost its core keeps a page from being pruned


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("counter", ["usage_count", "data_volume_bytes"])
def test_an_index_on_a_counter_would_end_that(database: Database, counter: str) -> None:
    with closing(database.connect()) as connection:
        execute(connection, f"CREATE INDEX on_a_counter ON key_versions ({counter})")
    assert hot_share(database) < 0.05
