"""The cost of finding and claiming due keys is proportional to the due keys: ten times as many keys cost no more."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from kms_schema.rotations import Scheduled
from kms_schema.rotations.statements import QUERIES
from support.engines import Database, Engines
from support.engines.database import Connection
from support.statements import execute
from tests.rotations.many_keys import DUE, fill
from tests.rotations.setups import a_key, queue_of

pytestmark = pytest.mark.versions("oldest and newest")

FEW, MANY = 1_000, 10_000
SQLITE_SHARE = 4
"""The divisor of the number of keys on SQLite, where inserting takes longer."""
LARGE = ("key_masters", "key_versions", "key_rotations")
"""Tables that no statement may scan."""
WITHIN = 1.2
SOON_SECONDS = 20


@pytest.fixture(scope="module")
def databases(engines: Engines, engine_name: str) -> Iterator[tuple[Database, Database]]:
    """A database with few keys and one with many."""
    engine = engines[engine_name]
    made = []
    for keys in (FEW, MANY):
        database = engine.create(engines.migrated(engine_name, "template"))
        with closing(database.connect()) as connection:
            fill(connection, keys // SQLITE_SHARE if engine_name == "sqlite" else keys)
        made.append(database)
    yield made[0], made[1]
    for database in made:
        engine.drop(database)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def explained(
    connection: psycopg.Connection[tuple[Any, ...]], statement: str, values: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Run a statement and return PostgreSQL's plan of it."""
    found = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}".encode(), values).fetchone()
    assert found is not None
    plan: dict[str, Any] = found[0][0]["Plan"]
    return plan


def touched(connection: Connection, statement: str, values: dict[str, Any] | None = None) -> float:
    """Return what running a statement reads: rows of PostgreSQL's plan, steps of SQLite's program. No full scans."""
    if isinstance(connection, sqlite3.Connection):
        for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values or {}):
            whole = str(row[3]).startswith(tuple(f"SCAN {table}" for table in LARGE))
            assert not whole or "idx_key_rotations_retry_partial" in row[3], row
        steps = [0]
        connection.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1), 100)
        connection.execute(statement, values or {}).fetchall()
        connection.set_progress_handler(None, 0)
        return steps[0]
    plan = explained(connection, statement, values)
    rows = 0.0
    for node in nodes(plan):
        assert not (node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE), json.dumps(node)
        if "Scan" in node["Node Type"] and ("Relation Name" in node or "Index Name" in node):
            removed = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
            rows += (node["Actual Rows"] + removed) * node["Actual Loops"]
    # A deeper index is a page more for each look into it.
    pages = int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])
    return rows + pages / 4


def both(databases: tuple[Database, Database], statement: str, values: dict[str, Any] | None = None) -> list[float]:
    costs = []
    for database in databases:
        with closing(database.connect()) as connection:
            execute(connection, "BEGIN")
            costs.append(touched(connection, statement, values))
            connection.rollback()
    return costs


def test_the_cost_of_rotations_due_is_independent_of_the_number_of_keys(databases: tuple[Database, Database]) -> None:
    few, many = both(databases, "SELECT * FROM rotations_due")
    assert many <= WITHIN * few
    with closing(databases[1].connect()) as connection:
        reasons = execute(connection, "SELECT reason, count(*) FROM rotations_due GROUP BY reason").fetchall()
    assert dict(reasons) == dict.fromkeys(("time", "usage", "volume", "incident"), DUE // 4)


@pytest.mark.only_on("postgresql")
def test_a_key_that_is_due_and_its_live_version_are_read_once(databases: tuple[Database, Database]) -> None:
    with closing(databases[0].connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        read = dict.fromkeys(("key_masters", "key_versions"), 0.0)
        for node in nodes(explained(connection, "SELECT * FROM rotations_due")):
            if node.get("Relation Name") in read:
                read[node["Relation Name"]] += node["Actual Rows"] * node["Actual Loops"]
    assert read == {"key_masters": DUE, "key_versions": DUE}


@pytest.mark.parametrize(
    "statement",
    ["schedule", "forget", "retry", "missing_index_bounds", "high_usage_index_bounds", "high_volume_index_bounds"],
)
def test_the_cost_of_scheduling_is_independent_of_the_number_of_keys(
    databases: tuple[Database, Database], statement: str
) -> None:
    text, values = spelled(databases[0], statement, limit=1000)
    few, many = both(databases, text, values)
    assert many <= WITHIN * few + 10


@pytest.mark.parametrize("statement", ["next_expired", "next_scheduled"])
def test_the_cost_of_claiming_is_independent_of_the_number_of_keys(
    databases: tuple[Database, Database], statement: str
) -> None:
    closed: Any = "[]" if databases[0].dialect == "sqlite" else []
    text, values = spelled(databases[0], statement, closed=closed)
    few, many = both(databases, text, values)
    assert many <= WITHIN * few + 10


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("list", {"status": "SCHEDULED", "order": "ASC"}),
        ("list", {"status": "COMPLETED", "order": "DESC"}),
        ("waiting", {}),
        ("next_due", {}),
    ],
)
def test_the_cost_of_a_list_is_independent_of_the_number_of_rotations(
    databases: tuple[Database, Database], statement: str, values: dict[str, Any]
) -> None:
    text, values = spelled(databases[0], statement, **(values and {"limit": 20, **values}))
    few, many = both(databases, text, values)
    assert many <= WITHIN * few + 10


def spelled(database: Database, statement: str, **values: Any) -> tuple[str, dict[str, Any]]:
    return QUERIES.render(statement, database.dialect, "public", order=values.pop("order", "")), values


def test_due_keys_among_many_are_scheduled_and_claimed(databases: tuple[Database, Database]) -> None:
    with closing(databases[1].connect()) as connection:
        execute(connection, "BEGIN")
        queue = queue_of(connection)
        assert queue.schedule_due() == Scheduled(scheduled=DUE, retried=0, looked_at=0)
        assert queue.due() == []
        claims = {claim.id for _ in range(DUE) if (claim := queue.claim("worker-1"))}
        assert len(claims) == DUE
        assert queue.claim("worker-1") is None
        connection.rollback()


@pytest.mark.only_on("postgresql")
def test_counting_use_is_hot_unless_an_index_bound_is_passed(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        execute(connection, "ALTER TABLE key_versions SET (fillfactor = 50, autovacuum_enabled = off)")
        key = a_key(connection)
        count = "UPDATE key_versions SET usage_count = usage_count + 1 WHERE key_id = :id"
        for _ in range(2000):
            execute(connection, count, {"id": key["id"]})
        connection.close()  # so that the server counts all of it
    with closing(database.connect()) as connection:
        query = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'key_versions'"
        deadline = time.monotonic() + SOON_SECONDS
        updates = hot = 0
        while updates < 2000:  # before PostgreSQL 15 a process of its own gathers these figures, and is late
            assert time.monotonic() < deadline, updates
            time.sleep(0.05)
            updates, hot = execute(connection, query).fetchone() or (0, 0)
        assert hot >= updates - 20
