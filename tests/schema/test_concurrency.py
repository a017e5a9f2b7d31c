"""Every rule that reads other rows, with two concurrent sessions on PostgreSQL.

The result must equal that of a serial order, no forbidden state may remain, and no session may fail by a deadlock.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import psycopg
import pytest

from support.concurrency.many_sessions import (
    PARALLEL,
    Statements,
    circle_of_parents,
    circle_of_wrappers,
    line_of_parents,
    line_of_wrappers,
)
from support.concurrency.pairs import PAIRS, Pair
from support.concurrency.serial_results import SerialRun, comparable, run_in_order
from support.concurrency.sessions import Session, commit_as_they_end
from support.concurrency.statements import (
    Statement,
    activating,
    adding,
    changing,
    destroying,
    kek,
    live_version,
    master,
    version,
)
from support.engines import Database, Engines
from support.engines.postgresql import PostgresqlEngine
from support.random_operations.invariants import forbidden_states
from support.rows.smallest import key_version, now
from support.rows.table_dump import dump_tables
from support.statements import refused

READ_COMMITTED, REPEATABLE_READ = "READ COMMITTED", "REPEATABLE READ"
SERIALIZATION_FAILURE = "40001"
ENDINGS = ("both commit", "first rolls back")


pytestmark = pytest.mark.only_on("postgresql")


@dataclass(frozen=True)
class Course:
    """A pair with its rows in a database that each schedule copies."""

    pair: Pair
    rows: Database
    statements: tuple[Statement, Statement]
    serial: dict[tuple[int, ...], SerialRun]
    """The results of each statement alone, and of both in each order."""


@pytest.fixture(scope="module")
def course(engines: Engines, engine_name: str, request: pytest.FixtureRequest) -> Iterator[Course]:
    pair = request.param
    database = engines[engine_name].create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        statements = pair.make(connection)
        orders: tuple[tuple[int, ...], ...] = ((0,), (1,), (0, 1), (1, 0))
        serial = {order: run_in_order(connection, [statements[position] for position in order]) for order in orders}
    yield Course(pair, database, statements, serial)
    engines[engine_name].drop(database)


@pytest.fixture(scope="module")
def watcher(engines: Engines, engine_name: str) -> Iterator[psycopg.Connection[Any]]:
    """A session in another database, which sees who waits for whom in all."""
    engine = engines[engine_name]
    assert isinstance(engine, PostgresqlEngine)
    with closing(engine.administer()) as connection:
        yield connection


Arena = Callable[[], AbstractContextManager[Database]]


@pytest.fixture
def arena(course: Course, engines: Engines, engine_name: str) -> Arena:
    """Make a database for each schedule, with the rows of the pair."""

    @contextmanager
    def made() -> Iterator[Database]:
        database = engines[engine_name].create(course.rows)
        yield database
        engines[engine_name].drop(database)

    return made


@contextmanager
def sessions(database: Database, *isolations: str) -> Iterator[list[Session]]:
    """Open a session at each isolation level."""
    opened: list[Session] = []
    try:
        for isolation in isolations:
            opened.append(Session(database, isolation))
        yield opened
    finally:
        for session in opened:
            session.__exit__()


def variants() -> list[Any]:
    """Return each pair with each pair of isolation levels, and in each order and with each ending that it can have.

    Without --full both are at the same level, and each begins where both commit at READ COMMITTED. At REPEATABLE READ
    both commit: the second must fail then.
    """
    levels = product((READ_COMMITTED, REPEATABLE_READ), repeat=2)
    return [
        pytest.param(
            pair,
            isolations,
            first,
            ending,
            id=f"{pair}-{'-'.join(level.split()[0].lower() for level in isolations)}-{first}-{ending}",
            marks=()
            if (isolations == (READ_COMMITTED, READ_COMMITTED) and (first == 0 or ending == ENDINGS[0]))
            or (isolations == (REPEATABLE_READ, REPEATABLE_READ) and (first, ending) == (0, ENDINGS[0]))
            else pytest.mark.full,
        )
        for pair, isolations, first, ending in product(PAIRS, levels, (0, 1), ENDINGS)
        if not (pair.destroys and isolations[1] == REPEATABLE_READ)
    ]


@pytest.mark.parametrize(("course", "isolations", "first", "ending"), variants(), indirect=["course"])
def test_concurrent_sessions_have_the_result_of_a_serial_order(
    course: Course,
    arena: Arena,
    watcher: psycopg.Connection[Any],
    *,
    isolations: tuple[str, str],
    first: int,
    ending: str,
) -> None:
    with arena() as database, sessions(database, *isolations) as both:
        second_waits = conflict(course, both, watcher, first, ending)
    # A second that has to wait cannot commit first.
    if ending == "both commit" and not second_waits:
        with arena() as database, sessions(database, *isolations) as both:
            conflict(course, both, watcher, first, "second commits first")


def conflict(course: Course, both: list[Session], watcher: psycopg.Connection[Any], first: int, ending: str) -> bool:
    """Compare one schedule with the serial orders; return whether the second statement had to wait."""
    serial = course.serial
    committed, second_waits = play(both, course.statements, watcher, first=first, ending=ending)
    dump = dump_tables(both[0].connection)
    assert forbidden_states(dump) == []
    assert committed, f"both lost: {[session.error for session in both]}"
    if ending == "first rolls back":
        assert committed == {1 - first}, f"the other statement failed, too: {both[1 - first].error}"
    left = SerialRun(frozenset(), comparable(dump))
    order = next((order for order in permutations(committed) if serial[order] == left), None)
    assert order, f"no order of {committed} gives this: {left.dump}"
    for loser in {0, 1} - committed - ({first} if ending == "first rolls back" else set()):
        error = both[loser].error
        assert error is not None
        if error.sqlstate != SERIALIZATION_FAILURE:
            assert serial[*order, loser].refused, f"refused only because the other was there: {error}"
    return second_waits


@pytest.mark.parametrize("course", PAIRS, ids=str, indirect=True)
def test_each_pair_conflicts(course: Course) -> None:
    """Each statement succeeds alone, and the second is refused as the pair defines."""
    serial = course.serial
    assert not serial[0,].refused
    assert not serial[1,].refused
    orders = [bool(serial[order].refused) for order in ((0, 1), (1, 0))]
    assert sum(orders) == {"in both orders": 2, "in one order": 1, "in no order": 0}[course.pair.second_is_refused]


def play(
    both: list[Session],
    statements: tuple[Statement, Statement],
    observer: psycopg.Connection[Any],
    *,
    first: int,
    ending: str,
) -> tuple[set[int], bool]:
    """Run both statements at once and end both transactions.

    Return the positions of those that committed, and whether the second statement had to wait for the first.
    """
    second = 1 - first
    assert not both[first].start(statements[first], observer), "the first statement waits"
    second_waits = both[second].start(statements[second], observer)
    if ending == "first rolls back":
        assert both[first].finish() is None
        both[first].roll_back()
        return ({second} if both[second].commit() else set()), second_waits
    order = [second, first] if ending == "second commits first" else [first, second]
    return {position for position in order if both[position].commit()}, second_waits


@pytest.fixture
def postgresql(engines: Engines, engine_name: str) -> Iterator[Database]:
    """A database of the test's own, migrated to head."""
    database = engines[engine_name].create(engines.migrated(engine_name, "template"))
    yield database
    engines[engine_name].drop(database)


@pytest.fixture
def observer(postgresql: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection that makes the rows, looks who waits, and reads what is left."""
    with closing(postgresql.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        yield connection


@pytest.mark.parametrize("isolation", [READ_COMMITTED, REPEATABLE_READ])
@pytest.mark.parametrize("circle", [circle_of_parents, circle_of_wrappers])
def test_three_sessions_do_not_close_a_circle(
    postgresql: Database, observer: psycopg.Connection[Any], circle: Statements, isolation: str
) -> None:
    statements = circle(observer)
    with sessions(postgresql, isolation, isolation, isolation) as three:
        for session, statement in zip(three, statements, strict=True):
            session.start(statement, observer)
        committed = commit_as_they_end(three)
    assert forbidden_states(dump_tables(observer)) == []
    assert sum(committed) in {1, 2}, [session.error for session in three]
    stuck = (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)
    assert not any(isinstance(session.error, stuck) for session in three)


@pytest.mark.parametrize("line", [line_of_parents, line_of_wrappers])
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_a_wait_for_the_lock_of_the_chain_does_not_block_its_holder(
    postgresql: Database, observer: psycopg.Connection[Any], line: Statements, order: tuple[int, ...]
) -> None:
    """An older snapshot must lock the whole chain, so this is for READ COMMITTED; others retry (40001, 40P01)."""
    statements = line(observer)
    with sessions(postgresql, *[READ_COMMITTED] * 3) as three:
        for position in order:
            three[position].start(statements[position], observer)
        for position in order:
            assert three[position].commit(), three[position].error
    assert forbidden_states(dump_tables(observer)) == []


def test_a_rotation_that_begins_with_its_new_version_and_a_revocation_do_not_deadlock(
    postgresql: Database, observer: psycopg.Connection[Any]
) -> None:
    """Both lock the key before its live version; deactivating first would lock them the other way round."""
    key = master(observer)
    old, new = live_version(observer, key), key_version(key, version_number=2, created_at=key["created_at"])
    steps = adding("key_versions", new), changing("key_versions", old, deactivated_at=now()), activating(new)
    with sessions(postgresql, READ_COMMITTED, READ_COMMITTED) as (rotation, revocation):
        assert not rotation.start(steps[0], observer)
        assert revocation.start(changing("key_masters", key, status="revoked"), observer)
        for step in steps[1:]:
            assert rotation.finish() is None
            assert not rotation.start(step, observer)
        assert rotation.commit()
        assert revocation.commit()
    assert forbidden_states(dump_tables(observer)) == []


@pytest.mark.parametrize("isolation", [READ_COMMITTED, REPEATABLE_READ])
@pytest.mark.parametrize("work", PARALLEL, ids=lambda work: work.__name__)
def test_everyday_work_does_not_wait(
    postgresql: Database, observer: psycopg.Connection[Any], work: Statements, isolation: str
) -> None:
    statements = work(observer)
    with sessions(postgresql, isolation, isolation) as both:
        for session, statement in zip(both, statements, strict=True):
            assert not session.start(statement, observer), f"{statement.sql} waits"
        assert [session.commit() for session in reversed(both)] == [True, True]


@pytest.mark.parametrize("isolation", [REPEATABLE_READ, "SERIALIZABLE"])
def test_destroying_a_version_wants_read_committed(observer: psycopg.Connection[Any], isolation: str) -> None:
    destroyed = version(observer, kek(observer))
    statement = destroying(destroyed)
    observer.execute(f"BEGIN ISOLATION LEVEL {isolation}".encode())
    refused(observer, statement.sql, statement.parameters, rule="prevent_key_version_destruction", sqlstate="25000")
    observer.execute("ROLLBACK")
