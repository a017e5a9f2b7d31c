"""Each query of the workload is answered by the index that is meant for it.

    pytest --engines=all --workload-events=1000000 tests/schema/test_workload_plans.py

runs it over a million audit entries, 100 000 keys and 1.5 million versions, on SQLite over a quarter of these; without
the option it is 60 000 entries.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks.plans import plans_of
from kms_schema.monitoring import take_snapshot
from kms_schema.monitoring.reader import Reader
from support.engines import Database, Engines
from support.engines.database import Connection
from support.statements import adapt, execute
from support.workload.filling import HOT_KEY, fill
from support.workload.plans import Plan, plan_of
from support.workload.queries import QUERIES, Query

pytestmark = pytest.mark.versions("oldest and newest")


@pytest.fixture(scope="module")
def filled(engines: Engines, engine_name: str, pytestconfig: pytest.Config) -> Iterator[Database]:
    made = engines[engine_name].create(engines.migrated(engine_name, "template"))
    events = pytestconfig.getoption("--workload-events")
    with closing(made.connect()) as connection:
        fill(connection, events if made.dialect == "postgresql" else events // SQLITE_SHARE)
    yield made
    engines[engine_name].drop(made)


SQLITE_SHARE = 4
"""SQLite gets this fraction: its planner chooses between the same indexes for a tenth as for all of them."""
SETTLES = (3, 46)
"""The oldest SQLite of those that are tested which does; 3.35 does not."""


@pytest.fixture
def connection(filled: Database) -> Iterator[Connection]:
    with closing(filled.connect()) as opened:
        yield opened


def planned(filled: Database, connection: Connection, query: Query) -> Plan:
    text = query.on(filled.dialect)
    asking = {name: value for name, value in query.asking.items() if f":{name}" in text}
    return plan_of(connection, text, asking)


def may_be_covered(filled: Database, query: Query) -> bool:
    """Say whether an index can answer by itself: old planners read the row for a column that its predicate settles."""
    settles = filled.dialect == "postgresql" or sqlite3.sqlite_version_info >= SETTLES
    return filled.dialect in query.covered and (settles or not query.indexes[0].endswith("_partial"))


@pytest.mark.parametrize(
    "purpose",
    [
        pytest.param(purpose, marks=[pytest.mark.only_on(query.engine)] if query.engine else [])
        for purpose, query in QUERIES.items()
    ],
)
def test_the_index_that_is_meant_for_a_query_answers_it(filled: Database, connection: Connection, purpose: str) -> None:
    query = QUERIES[purpose]
    plan = planned(filled, connection, query)
    assert plan.indexes in ({*query.indexes}, {*query.instead}), plan.text
    assert not plan.scans, plan.text
    assert plan.covered or not may_be_covered(filled, query), plan.text
    assert plan.heap_fetches == 0, plan.text
    assert query.sorts or not plan.sorts, plan.text


LARGE = "(key_masters|key_versions|key_rotations|key_audit_logs)"
WHOLE = {
    "postgresql": re.compile(rf'"Node Type": "Seq Scan",(?:\s+"(?!Relation)[^\n]*)*\s+"Relation Name": "{LARGE}"'),
    "sqlite": re.compile(rf"^SCAN (?:TABLE )?({LARGE}|master|version|success)(?! USING)", re.MULTILINE),
}
"""A large table that is read from one end to the other."""


def test_a_scrape_of_the_metrics_reads_no_large_table_as_a_whole(
    filled: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dashboard and what is due have tests of their own; on SQLite these are computed from the tables."""
    queries: list[tuple[str, dict[str, object]]] = []
    rows = Reader.rows

    def noted(
        reader: Reader, query: str, words: dict[str, str | int] | None = None, /, **values: object
    ) -> list[tuple[object, ...]]:
        queries.append((re.sub(r"%\((\w+)\)s", r":\1", reader.text(query, **(words or {}))), values))
        return rows(reader, query, words or {}, **values)

    monkeypatch.setattr(Reader, "rows", noted)
    assert take_snapshot(connection).failures() == {}
    with closing(filled.connect()) as other:
        reader = Reader(other, "public")
        with reader.transaction():  # without the view that it stands beside
            reader.rows("still_open", passed=reader.now, soon=reader.now)
    assert len(queries) > 20
    for text, values in queries:
        if re.search(r"FROM\s+\S*(pg_catalog|pragma_|sqlite_|rotations_due)", text):
            continue
        adapted = {name: adapt(value, filled.dialect) for name, value in values.items()}
        plan = plan_of(connection, text, adapted)
        scans = WHOLE[filled.dialect].findall(plan.text)
        assert scans == [], (text, plan.text)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    "purpose", [purpose for purpose, query in QUERIES.items() if purpose.startswith("entries of a key")]
)
def test_a_page_of_the_entries_is_read_in_order_for_whatever_key(connection: Connection, purpose: str) -> None:
    """As drivers have it planned that prepare what they ask often, when nobody knows yet how many entries a key has."""
    query = QUERIES[purpose]
    text = query.on("postgresql")
    _, prepared = plans_of(
        connection, text, {name: value for name, value in query.asking.items() if f":{name}" in text}
    )
    assert prepared.indexes == query.indexes
    assert not prepared.sorts


OF_KEYS = re.compile(r"SCAN (TABLE key_(masters|versions|rotations)|master|version|live|rotation|planned|success)\b")
"""A table of what there is of keys, read from one end to the other, by its name or as the views call it."""


def steps_of(connection: Connection, statement: str, asking: dict[str, str]) -> int:
    """Return how long SQLite's program for a statement runs, in hundreds of instructions."""
    assert isinstance(connection, sqlite3.Connection)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    connection.set_progress_handler(count, 100)
    execute(connection, statement, asking).fetchall()
    connection.set_progress_handler(None, 0)
    return steps


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("condition", ["id > :key ORDER BY id LIMIT 50", "id = :key", "key_id = 'key-5000'"])
def test_the_health_of_a_few_keys_reads_only_these_keys(connection: Connection, condition: str) -> None:
    """There it is worked out when it is asked for; what is due for rotation, of all of them."""
    statement = f"SELECT * FROM key_health_monitor WHERE {condition}"  # noqa: S608  (our own conditions)
    asking = {"key": f"{HOT_KEY:032x}"} if ":key" in condition else {}
    plan = plan_of(connection, statement, asking).text
    assert not [step for step in plan.splitlines() if OF_KEYS.match(step)], plan
    due, few, every = (
        steps_of(connection, asked, asking if ":key" in asked else {})
        for asked in (
            "SELECT id FROM rotations_due WHERE overdue",
            statement,
            "SELECT * FROM key_health_monitor",
        )
    )
    assert 20 * (few - due) < every - due


@pytest.mark.only_on("sqlite")
def test_the_dashboard_reads_versions_in_storage_order_and_only_new_entries(connection: Connection) -> None:
    """By an index of the keys each version would be looked up by itself, which takes several times as long."""
    plan = plan_of(connection, "SELECT * FROM key_management_dashboard", {}).text
    assert re.search(r"^SCAN (TABLE key_versions AS )?version$", plan, re.MULTILINE), plan
    assert "AUTOMATIC COVERING INDEX (key_id=?)" in plan
    assert not re.search(r"entry USING INDEX idx_key_audit_logs_timestamp", plan), plan


PARTIAL = (
    "idx_key_masters_expiring_partial",
    "idx_key_masters_hsm_partial",
    "idx_key_rotations_failed_partial",
    "idx_key_audit_high_risk_partial",
    "idx_key_versions_wrapping_key_ref",
)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("index", PARTIAL)
def test_a_partial_index_is_less_than_half_as_large_as_a_full_one(connection: Connection, index: str) -> None:
    size = "SELECT pg_relation_size(CAST(:index AS regclass))"
    execute(connection, "BEGIN")
    ((definition,),) = execute(connection, "SELECT pg_get_indexdef(CAST(:index AS regclass))", {"index": index})
    full, where, _ = definition.partition(" WHERE ")
    assert where
    execute(connection, full.replace(index, "full_twin"))
    ((partial,),) = execute(connection, size, {"index": index}).fetchall()
    ((whole,),) = execute(connection, size, {"index": "full_twin"}).fetchall()
    execute(connection, "ROLLBACK")
    assert partial <= 0.4 * whole


@pytest.mark.only_on("postgresql")
def test_the_index_of_times_is_a_fiftieth_of_a_b_tree(connection: Connection) -> None:
    """The least it can have is three pages, so a smaller trail would say nothing."""
    execute(connection, "BEGIN")
    execute(connection, 'CREATE INDEX b_tree ON key_audit_logs ("timestamp")')
    sizes = "SELECT pg_relation_size('idx_key_audit_logs_timestamp') * 50, pg_relation_size('b_tree')"
    ((times, whole),) = execute(connection, sizes).fetchall()
    execute(connection, "ROLLBACK")
    assert times < whole
