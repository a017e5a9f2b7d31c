"""Every rule that reads other rows, held against two sessions at once on PostgreSQL.

What they leave must be explained by one of them having come after the other, no forbidden state may be left, and
nobody may be stopped by a deadlock.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import psycopg
import pytest

from tests.support.concurrency.many_sessions import (
    PARALLEL,
    Moves,
    circle_of_parents,
    circle_of_wrappers,
    line_of_parents,
    line_of_wrappers,
)
from tests.support.concurrency.pairs import RACES, Race
from tests.support.concurrency.serial_results import SerialRun, comparable, run_in_order
from tests.support.concurrency.sessions import Session
from tests.support.concurrency.statements import (
    Move,
    activating,
    adding,
    changing,
    destroying,
    kek,
    live_version,
    master,
    version,
)
from tests.support.engines import Database, Engines
from tests.support.random_operations.invariants import forbidden_states
from tests.support.rows.smallest import key_version, now
from tests.support.rows.table_dump import read_contents
from tests.support.statements import refused

READ_COMMITTED, REPEATABLE_READ = "READ COMMITTED", "REPEATABLE READ"
SERIALIZATION_FAILURE = "40001"
ENDINGS = ("first commits first", "second commits first", "first rolls back")


pytestmark = pytest.mark.only_on("postgresql")


@dataclass(frozen=True)
class Course:
    """What a race is run over: its rows in a database that each schedule has a copy of."""

    race: Race
    rows: Database
    moves: tuple[Move, Move]
    serial: dict[tuple[int, ...], SerialRun]
    """What each move gives by itself, and both in each order."""


@pytest.fixture(scope="module")
def course(engines: Engines, engine_name: str, request: pytest.FixtureRequest) -> Iterator[Course]:
    race = request.param
    database = engines[engine_name].create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        moves = race.make(connection)
        orders: tuple[tuple[int, ...], ...] = ((0,), (1,), (0, 1), (1, 0))
        serial = {order: run_in_order(connection, [moves[position] for position in order]) for order in orders}
    yield Course(race, database, moves, serial)
    engines[engine_name].drop(database)


@pytest.fixture
def arena(course: Course, engines: Engines, engine_name: str) -> Iterator[Database]:
    """A database of the schedule's own, with the rows of the race."""
    database = engines[engine_name].create(course.rows)
    yield database
    engines[engine_name].drop(database)


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
    """Return each race with each pair of isolation levels, and in each order and with each ending that it can have.

    Without --full both are at the same level, and at REPEATABLE READ the first commits first: the other must fail then.
    """
    levels = product((READ_COMMITTED, REPEATABLE_READ), repeat=2)
    return [
        pytest.param(
            race,
            isolations,
            first,
            ending,
            id=f"{race}-{'-'.join(level.split()[0].lower() for level in isolations)}-{first}-{ending}",
            marks=()
            if isolations == (READ_COMMITTED, READ_COMMITTED)
            or (isolations == (REPEATABLE_READ, REPEATABLE_READ) and ending == ENDINGS[0])
            else pytest.mark.full,
        )
        for race, isolations, first, ending in product(RACES, levels, (0, 1), ENDINGS)
        if not (race.destroys and isolations[1] == REPEATABLE_READ)
    ]


@pytest.mark.parametrize(("course", "isolations", "first", "ending"), variants(), indirect=["course"])
def test_two_sessions_at_once_leave_what_two_in_order_would(
    course: Course, arena: Database, isolations: tuple[str, str], first: int, ending: str
) -> None:
    serial = course.serial
    with closing(arena.connect()) as observer, sessions(arena, *isolations) as pair:
        assert isinstance(observer, psycopg.Connection)
        committed = play(pair, course.moves, observer, first=first, ending=ending)
        contents = read_contents(observer)
    assert forbidden_states(contents) == []
    assert committed, f"both lost: {[session.error for session in pair]}"
    if ending == "first rolls back":
        assert committed == {1 - first}, f"nobody was left to lose to: {pair[1 - first].error}"
    left = SerialRun(frozenset(), comparable(contents))
    order = next((order for order in permutations(committed) if serial[order] == left), None)
    assert order, f"no order of {committed} gives this: {left.contents}"
    for loser in {0, 1} - committed - ({first} if ending == "first rolls back" else set()):
        error = pair[loser].error
        assert error is not None
        if error.sqlstate != SERIALIZATION_FAILURE:
            assert serial[*order, loser].refused, f"refused only because the other was there: {error}"


@pytest.mark.parametrize("course", RACES, ids=str, indirect=True)
def test_each_race_is_worth_running(course: Course) -> None:
    """Each move is allowed by itself, and the second is refused as the race says."""
    serial = course.serial
    assert not serial[0,].refused
    assert not serial[1,].refused
    orders = [bool(serial[order].refused) for order in ((0, 1), (1, 0))]
    assert sum(orders) == {"in both orders": 2, "in one order": 1, "in no order": 0}[course.race.second_is_refused]


def play(
    pair: list[Session], moves: tuple[Move, Move], observer: psycopg.Connection[Any], *, first: int, ending: str
) -> set[int]:
    """Make both moves at once, end both transactions, and return the positions of those that committed."""
    second = 1 - first
    assert not pair[first].start(moves[first], observer), "there was nobody to wait for"
    second_waits = pair[second].start(moves[second], observer)
    if ending == "first rolls back":
        assert pair[first].finish() is None
        pair[first].roll_back()
        return {second} if pair[second].commit() else set()
    order = [second, first] if ending == "second commits first" and not second_waits else [first, second]
    return {position for position in order if pair[position].commit()}


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
    postgresql: Database, observer: psycopg.Connection[Any], circle: Moves, isolation: str
) -> None:
    moves = circle(observer)
    with sessions(postgresql, isolation, isolation, isolation) as three:
        for session, move in zip(three, moves, strict=True):
            session.start(move, observer)
        committed = [session.commit() for session in three]
    assert forbidden_states(read_contents(observer)) == []
    assert sum(committed) in {1, 2}, [session.error for session in three]
    assert not any(isinstance(session.error, psycopg.errors.DeadlockDetected) for session in three)


@pytest.mark.parametrize("line", [line_of_parents, line_of_wrappers])
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_waiting_for_the_advisory_lock_holds_up_nobody_who_has_it(
    postgresql: Database, observer: psycopg.Connection[Any], line: Moves, order: tuple[int, ...]
) -> None:
    """An older snapshot must lock the whole chain, so this is for READ COMMITTED; others retry (40001, 40P01)."""
    moves = line(observer)
    with sessions(postgresql, *[READ_COMMITTED] * 3) as three:
        for position in order:
            three[position].start(moves[position], observer)
        for position in order:
            assert three[position].commit(), three[position].error
    assert forbidden_states(read_contents(observer)) == []


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
    assert forbidden_states(read_contents(observer)) == []


@pytest.mark.parametrize("isolation", [READ_COMMITTED, REPEATABLE_READ])
@pytest.mark.parametrize("work", PARALLEL, ids=lambda work: work.__name__)
def test_everyday_work_does_not_wait(
    postgresql: Database, observer: psycopg.Connection[Any], work: Moves, isolation: str
) -> None:
    moves = work(observer)
    with sessions(postgresql, isolation, isolation) as pair:
        for session, move in zip(pair, moves, strict=True):
            assert not session.start(move, observer), f"{move.statement} waits"
        assert [session.commit() for session in reversed(pair)] == [True, True]


@pytest.mark.parametrize("isolation", [REPEATABLE_READ, "SERIALIZABLE"])
def test_destroying_a_version_wants_read_committed(observer: psycopg.Connection[Any], isolation: str) -> None:
    destroyed = version(observer, kek(observer))
    move = destroying(destroyed)
    observer.execute(f"BEGIN ISOLATION LEVEL {isolation}".encode())
    refused(observer, move.statement, move.parameters, rule="prevent_key_version_destruction", sqlstate="25000")
    observer.execute("ROLLBACK")
