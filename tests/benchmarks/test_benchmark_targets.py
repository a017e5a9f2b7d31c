"""Every target of `scripts/benchmark.py`, measured with next to nothing; how long anything takes is not asserted."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from itertools import chain

import pytest

from benchmarks import audit_history, audit_seal, queries
from benchmarks.index_sizes import PARTIAL
from benchmarks.places import Options, Places
from benchmarks.plans import Plan, plans_of
from benchmarks.ring import bare
from benchmarks.scales import SCALES
from benchmarks.targets import TARGETS, Measured, Target
from benchmarks.upgrade import measured as measured_upgrade
from benchmarks.workload import ASKED, ELSEWHERE, Sampler
from kms_schema.crypto import Secret
from kms_schema.keyring.formats.messages import message_cipher
from support.concurrency.clients import Clients, Timed
from support.engines import Database, Engine
from support.statements import dialect_of, execute
from support.workload.queries import QUERIES, Query
from tests.audit.trails import seal_all, verified

TINY = SCALES["tiny"]
REPETITIONS = 1


@pytest.fixture(scope="module")
def by_engine() -> Iterator[dict[str, Places]]:
    """The databases of the tests of one engine; each size is created once."""
    made: dict[str, Places] = {}
    yield made
    for places in made.values():
        places.close()


@pytest.fixture
def places(engine: Engine, by_engine: dict[str, Places]) -> Places:
    return by_engine.setdefault(engine.name, Places(engine, Options(TINY, REPETITIONS)))


@cache
def measure(places: Places, number: str) -> list[Measured]:
    """Measure a target once for all tests of an engine."""
    (target,) = (each for each in TARGETS if each.number == number)
    return [*target.measure(places)]


WITH_WORKERS = {"P14", "P15"}
"""Targets that start a dozen processes."""
each_target = pytest.mark.parametrize(
    "target",
    [
        pytest.param(each, marks=[pytest.mark.full] if each.number in WITH_WORKERS else [], id=each.number)
        for each in TARGETS
    ],
)


@each_target
@pytest.mark.only_on("postgresql")
def test_a_target_is_measured_and_leaves_only_shared_databases(target: Target, places: Places) -> None:
    is_measured(target, places)


@each_target
@pytest.mark.full
@pytest.mark.only_on("sqlite")
def test_a_target_is_measured_on_sqlite(target: Target, places: Places) -> None:
    if target.on_sqlite:  # the command refuses the others: tests/benchmarks/test_benchmark_script.py
        is_measured(target, places)


def is_measured(target: Target, places: Places) -> None:
    results = measure(places, target.number)
    assert results
    assert any(each.limit is not None for each in results)
    for result in results:
        assert result.value >= 0
        for name, times in result.times.items():
            assert times.milliseconds, name
    names = {database.name for database in places.made}
    shared = {database.name for database in places._prepared.values()}
    assert names == shared


def test_costs_are_compared_over_every_history(places: Places) -> None:
    numbers = ["P1", "P5"] if places.is_sqlite else ["P1", "P2", "P3", "P5"]
    curves = [each.curve for each in chain(*(measure(places, number) for number in numbers)) if each.curve is not None]
    expected = {"read the dashboard", "aggregate 30 days", "seal 1000 entries"}
    assert {curve.name for curve in curves} == expected | (
        set() if places.is_sqlite else {"refresh both views", "insert an entry"}
    )
    for curve in curves:
        assert tuple(curve.milliseconds) == TINY.events


def test_ratios_are_of_medians(places: Places) -> None:
    (sealed,) = measure(places, "P5")
    short, long = sealed.times.values()
    assert sealed.value == pytest.approx(long.median / short.median)
    assert len(short.milliseconds) == REPETITIONS
    if places.is_sqlite:
        return
    for result in measure(places, "P3")[:2]:
        assert result.value == pytest.approx(result.times["bare"].median / result.times["key_audit_logs"].median)


def test_a_verification_is_measured_with_the_memory_of_its_process(places: Places) -> None:
    rate, memory = measure(places, "P4")
    entries = 1 + TINY.longest.events
    assert rate.what.startswith(f"verify {entries} entries")
    assert rate.value == pytest.approx(entries / rate.times["verify"].median)
    assert 10 < memory.value < 64, "the process imports what the command does, and no tests"


def test_every_hot_query_finds_something_and_names_its_indexes(places: Places) -> None:
    database = places.prepared(TINY.workload)
    sampler = Sampler(database, 1)
    asked = [name for name in ASKED if QUERIES[name].engine in {None, database.dialect}]
    with closing(database.connect()) as connection:
        found = {
            name: sum(
                len(execute(connection, QUERIES[name].on(database.dialect), values).fetchall())
                for values in [*ASKED[name].samples(sampler), *ASKED[name].samples(sampler)]
            )
            for name in asked
        }
    # Of the few keys there are, none need be about to expire, and nothing need have failed today.
    rare = {"keys about to expire", "rotations that failed lately", "keys whose rotations failed lately"}
    rare |= {"the next rotation to claim", "what is scheduled", "the open rotation of a key"}
    rare |= {"events of high risk, newest first", "events of a day that the health of keys counts"}
    assert {name for name, rows in found.items() if not rows} <= rare
    assert [each.what for each in measure(places, "P8")] == asked


def test_every_query_of_the_workload_is_measured_here_or_by_another_target() -> None:
    assert ASKED.keys() | ELSEWHERE.keys() == QUERIES.keys()
    assert not ASKED.keys() & ELSEWHERE.keys()


def test_an_index_after_004_must_be_three_times_as_fast() -> None:
    had = {"idx_key_audit_logs_history", "uq_key_versions_live"}
    assert queries.came_later(Query("", ("idx_key_masters_newest",)), had)
    assert not queries.came_later(Query("", ("idx_key_audit_logs_history",)), had)
    assert not queries.came_later(Query("", ("uq_key_masters_key_id", "uq_key_versions_live")), had)


def test_indexes_are_read_from_plans_of_either_engine(places: Places) -> None:
    with closing(places.prepared(TINY.workload).connect()) as connection:
        statement = "SELECT * FROM key_masters WHERE key_id = :name"
        if dialect_of(connection) == "postgresql":
            execute(connection, "SET enable_seqscan = off")
        for plan in plans_of(connection, statement, {"name": "dek-1"}):
            assert plan.indexes == ("uq_key_masters_key_id",)
            assert not plan.sorts
        by_reason = "SELECT * FROM key_masters WHERE status_reason = :it ORDER BY algorithm"
        for plan in plans_of(connection, by_reason, {"it": ""}):
            assert plan == Plan((), sorts=True)


@pytest.mark.parametrize(
    ("used", "as_planned"),
    [(["a", "b"], True), (["b", "x", "a"], True), (["a"], False), (["c"], True), ([], False), (["x"], False)],
)
def test_a_plan_uses_the_intended_indexes_or_equivalent_ones(used: list[str], as_planned: bool) -> None:
    query = Query("SELECT 1", ("a", "b"), instead=("c",), sorts=True)
    assert queries.goes_by(query, Plan(tuple(used), sorts=True)) == as_planned


def test_a_page_is_not_sorted_not_even_by_a_prepared_statement() -> None:
    page = Query("SELECT 1", ("a",))
    in_order, sorted_ = Plan(("a",), sorts=False), Plan(("a",), sorts=True)
    assert queries.goes_by(page, in_order)
    assert not queries.goes_by(page, sorted_)
    assert queries.plan_text(page, [in_order, in_order]) == "a"
    assert queries.plan_text(page, [in_order, sorted_]) == "a; prepared, it sorts"
    assert queries.plan_text(page, [sorted_, sorted_]) == "a, and sorts"
    assert queries.plan_text(page, [in_order, Plan((), sorts=True)]) == "a; prepared, none"


@pytest.mark.only_on("postgresql")
def test_every_partial_index_is_compared_with_its_full_twin(places: Places) -> None:
    with closing(places.prepared(TINY.workload).connect()) as connection:
        partial = [row[0] for row in execute(connection, PARTIAL).fetchall()]
    assert "idx_key_audit_high_risk_partial" in partial
    results = [each for each in measure(places, "P9") if each.limit is not None]
    assert [each.what.split()[0] for each in results] == partial
    assert all(0 < each.value <= 1 for each in results)
    with closing(places.prepared(TINY.workload).connect()) as connection:
        assert execute(connection, "SELECT count(*) FROM pg_class WHERE relname LIKE '%twin'").fetchall() == [(0,)]


@pytest.mark.only_on("postgresql")
def test_the_size_of_a_row_is_reported_for_each_table(places: Places) -> None:
    of_keys = next(each for each in measure(places, "P9") if each.sizes and each.sizes.table == "key_masters")
    assert of_keys.sizes is not None
    with closing(places.prepared(TINY.workload).connect()) as connection:
        query = "SELECT pg_table_size('key_masters'), pg_indexes_size('key_masters'), count(*) FROM key_masters"
        ((of_table, of_indexes, rows),) = execute(connection, query).fetchall()
    assert of_keys.value == pytest.approx(of_indexes / of_table)
    assert of_keys.sizes.in_table == pytest.approx(of_table / rows)
    assert of_keys.sizes.each == pytest.approx((of_table + of_indexes) / rows)
    assert "pk_key_masters" in of_keys.sizes.in_indexes
    assert of_keys.sizes.rows == rows


@pytest.mark.only_on("postgresql")
def test_updates_that_are_counted_are_those_of_the_clients(places: Places) -> None:
    share, rate = measure(places, "P11")
    assert 0 <= share.value <= 1
    assert rate.value == pytest.approx(rate.times["bare"].median / rate.times["key_versions"].median)


def test_what_the_ring_is_compared_with_makes_ciphertexts_of_the_ring() -> None:
    key = secrets.token_bytes(32)
    with message_cipher("XAES-256-GCM", 1, Secret.copy_of(key)) as cipher:
        made = bare(key)(b"data", b"aad")
        assert cipher.decrypt(cipher._prefix + made[len(cipher._prefix) :], aad=b"aad") == b"data"


def test_only_statements_that_failed_during_the_upgrade_are_reported(database: Database) -> None:
    clients = Clients(database)
    clients.done += [
        Timed("record_events", "INSERT INTO key_audit_logs (id)", 1.0, 1.5, "before"),
        Timed("record_events", "INSERT INTO key_audit_logs (id)", 10.0, 10.2, "during"),
        Timed("count_use", "UPDATE key_versions SET x = 1", 11.0, 11.4),
        Timed("read", "SELECT 1", 11.0, 14.0),
    ]
    failed, stall = measured_upgrade(clients, 0.0, 10.0, 20.0, 600)
    assert (failed.value, failed.met) == (1, False)
    assert stall.value == pytest.approx(400), "what reads is not what is written"
    assert (stall.plan, stall.met) == ("UPDATE key_versions SET", False)


def test_sealed_entries_have_gaps_and_late_entries(database: Database) -> None:
    with closing(database.connect()) as connection:
        audit_history.add_keys(connection)
        execute(connection, audit_history.entries(connection, 10))
        seal_all(connection, None)
    with closing(audit_seal.BusyTrail(database)) as trail:
        trail.write()
        (first,) = seal_all(trail.connection, None)
        trail.write()
        (second,) = seal_all(trail.connection, None)
        assert verified(trail.connection).sound
    late = int(database.dialect == "postgresql")
    assert second.tree_size - first.tree_size == audit_seal.ENTRIES + late
    assert len(first.open_gaps) >= 5 * late, "what was rolled back is open while a writer is"
    with closing(database.connect()) as connection:
        begun = execute(connection, "SELECT first_sequence FROM key_audit_leaves ORDER BY first_leaf").fetchall()
    assert (begun == sorted(begun)) == (not late), "what came late has a number below those that were sealed before"
