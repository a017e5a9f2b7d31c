"""Each rule finds what it is for, with the entries, and leaves alone what is usual: the same on both engines."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.finding import count_anomalies, find_anomalies
from kms_schema.audit.anomalies.rules import RULES, RuleName
from support.engines import Engines
from support.engines.database import Connection
from tests.audit.anomalies.cases import OF_CHANGES, OF_USE, Case
from tests.audit.anomalies.life import Life
from tests.audit.anomalies.loading import load
from tests.audit.anomalies.plans import JUDGED, at, ordinary
from tests.audit.anomalies.scans import scanning

CASES = (*OF_USE, *OF_CHANGES)


@pytest.fixture(scope="module")
def lived(engines: Engines, engine_name: str) -> Iterator[Connection]:
    """A database with the entries of all cases."""
    engine = engines[engine_name]
    made = engine.create(engines.migrated(engine_name, "template"))
    life = Life(seed=1)
    keys = ordinary(life)
    for case in CASES:
        case.plan(life, keys)
    with closing(made.connect()) as connection:
        load(connection, life)
        yield connection
    engine.drop(made)


@pytest.fixture(scope="module")
def found(lived: Connection) -> list[Anomaly]:
    return find_anomalies(lived, at(JUDGED, 0))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule_finds_what_it_is_for(found: list[Anomaly], case: Case) -> None:
    matching = [anomaly for anomaly in found if case.matches(anomaly)]
    assert len(matching) == bool(case.entries), [anomaly.summary for anomaly in matching]
    for anomaly in matching:
        assert case.says in anomaly.summary
        assert anomaly.entry_count == case.entries
        assert 1 <= len(anomaly.entries) == min(case.entries, 20)


def test_nothing_else_is_found(found: list[Anomaly]) -> None:
    also = ("reader", "prober", "owner for ", "orders for ")  # of other rules, and new as well
    rest = [each for each in found if not any(case.matches(each) for case in CASES)]
    rest = [each for each in rest if each.rule is not RuleName.NEW_ACTOR or not str(each.actor).startswith(also)]
    assert [(str(each.rule), each.summary) for each in rest] == []


def test_days_are_judged_alike_one_by_one_and_together(lived: Connection, found: list[Anomaly]) -> None:
    days = [at(day, 0) for day in range(86, 94)]
    one_by_one = [each for day in days for each in find_anomalies(lived, day, until=day + dt.timedelta(days=1))]
    together = [each for each in found if days[0].date() <= each.day <= days[-1].date()]
    assert len(together) > 5
    assert sorted(map(repr, one_by_one)) == sorted(map(repr, together))
    assert len({anomaly.fingerprint for anomaly in found}) == len(found)


def test_counts_are_those_of_what_is_found(lived: Connection, found: list[Anomaly]) -> None:
    counts = count_anomalies(lived, at(JUDGED, 0))
    assert list(counts) == list(RULES)
    assert counts == {rule: sum(each.rule is rule for each in found) for rule in RULES}
    assert all(counts.values())


def test_no_query_reads_the_whole_log(lived: Connection) -> None:
    """A small table is read whole unless PostgreSQL is told not to: `at_size` looks at the plans of a large one."""
    if isinstance(lived, psycopg.Connection):
        lived.execute("SET enable_seqscan = off; SET enable_sort = off")
    assert scanning(lived, at(90, 0), at(91, 0)) == []
