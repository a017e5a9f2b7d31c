"""Workers at once: each rotation is one's only, and what a worker leaves behind when it dies is another's in time."""

import datetime as dt
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import TypeVar

import pytest

from kms_schema.rotations import Claim, LeaseLostError
from support.engines import Database
from support.engines.database import Connection
from support.engines.programs import REPOSITORY
from support.programs import python
from support.rows import smallest
from support.rows.smallest import insert
from support.statements import execute
from tests.rotations.setups import a_key, a_policy, a_rotation, queue_of, stored

Result = TypeVar("Result")

ROTATIONS = 40


def at_once(number: int, database: Database, does: Callable[[Connection, int], Result]) -> list[Result]:
    """Have `number` threads do something at the same moment, each over a connection of its own.

    SQLite lets who waits try again from time to time, so in the company of threads that never rest one may wait as long
    as these have something to do.
    """
    together = Barrier(number, timeout=60)

    def one(which: int) -> Result:
        with closing(database.connect()) as connection:
            if database.dialect == "sqlite":
                execute(connection, "PRAGMA busy_timeout = 60000")
            together.wait()
            return does(connection, which)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


@pytest.mark.parametrize("workers", [2, 8])
def test_concurrent_workers_claim_each_rotation_exactly_once(database: Database, workers: int) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "BEGIN")
        made = {a_rotation(connection)["id"] for _ in range(ROTATIONS)}
        execute(connection, "COMMIT")

    def work(connection: Connection, which: int) -> list[Claim]:
        queue, found = queue_of(connection), []
        while claim := queue.claim(f"worker-{which}"):
            found.append(claim)
        return found

    claims = [claim for found in at_once(workers, database, work) for claim in found]
    assert len(claims) == ROTATIONS
    assert {claim.id for claim in claims} == made
    with closing(database.connect()) as connection:
        for claim in claims:
            assert stored(connection, claim.id, "claimed_by") == (claim.claimed_by,)


def test_hosts_that_schedule_at_once_plan_each_key_once(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "BEGIN")
        a_policy(connection)
        for _ in range(ROTATIONS):
            a_key(connection)
        execute(connection, "COMMIT")
    scheduled = at_once(4, database, lambda connection, _: queue_of(connection).schedule_due().scheduled)
    assert sum(scheduled) == ROTATIONS
    with closing(database.connect()) as connection:
        counts = execute(connection, "SELECT count(*), count(DISTINCT key_id) FROM key_rotations").fetchone()
        assert counts == (ROTATIONS, ROTATIONS)


def test_concurrent_workers_take_an_expired_lease_over_once(database: Database) -> None:
    with closing(database.connect()) as connection:
        a_rotation(connection)
        assert queue_of(connection).claim("worker-1", dt.timedelta(milliseconds=1))
    time.sleep(0.05)
    claims = at_once(8, database, lambda connection, which: queue_of(connection).claim(f"worker-{which}"))
    assert sum(claim is not None for claim in claims) == 1


WORKER = """
import sqlite3, sys, time, datetime, psycopg
from kms_schema.rotations import open_queue
url = sys.argv[1]
connection = sqlite3.connect(url[10:]) if url.startswith("sqlite") else psycopg.connect(url.replace("+psycopg", ""))
claim = open_queue(connection).claim("worker-1", datetime.timedelta(seconds=3))
print(claim.claimed_by, flush=True)
time.sleep(600)
"""


def test_a_worker_that_is_killed_is_replaced_when_its_lease_ends_and_not_before(database: Database) -> None:
    with closing(database.connect()) as connection:
        rotation = a_rotation(connection)
        process = python.Popen(
            [sys.executable, "-c", WORKER, database.url], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        claimed_by = process.stdout.readline().strip()
        process.kill()
        process.communicate()
        assert process.returncode == -9
        (ends,) = stored(connection, rotation["id"], "lease_expires_at")
        queue = queue_of(connection)
        deadline = time.monotonic() + 60
        found, asked = None, 0
        while found is None and time.monotonic() < deadline:
            time.sleep(0.05)
            asked += 1
            found = queue.claim("worker-2", dt.timedelta(hours=1))
        assert found is not None
        assert asked > 1, "it was there at once"
        assert found.lease_expires_at - dt.timedelta(hours=1) >= ends
        assert (found.id, found.taken_over_from) == (rotation["id"], claimed_by)


def test_the_version_of_a_late_worker_is_rolled_back_with_its_transaction(database: Database) -> None:
    with closing(database.connect()) as connection, closing(database.connect()) as other:
        key = a_key(connection)
        a_rotation(connection, key)
        queue = queue_of(connection)
        late = queue.claim("worker-1", dt.timedelta(milliseconds=1))
        assert late is not None
        time.sleep(0.05)
        replaced = queue_of(other).claim("worker-2")
        assert replaced is not None
        execute(connection, "BEGIN")
        insert(connection, "key_versions", **smallest.key_version(key, version_number=2))
        with pytest.raises(LeaseLostError):
            queue.complete(late, new_version=2)
        connection.rollback()
        execute(other, "BEGIN")
        insert(other, "key_versions", **smallest.key_version(key, version_number=2))
        queue_of(other).complete(replaced, new_version=2)
        assert stored(connection, late.id, "status") == ("RUNNING",), "it is not committed yet"
        other.commit()
        assert stored(connection, late.id, "status", "new_version") == ("COMPLETED", 2)


def test_a_claim_in_a_transaction_that_is_taken_back_is_nobodys(database: Database) -> None:
    with closing(database.connect()) as connection:
        rotation = a_rotation(connection)
        execute(connection, "BEGIN")
        assert queue_of(connection).claim("worker-1")
        connection.rollback()
        assert stored(connection, rotation["id"], "status", "claimed_by") == ("SCHEDULED", None)
