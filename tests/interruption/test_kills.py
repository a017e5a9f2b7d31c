"""A migration that is killed after any of its statements leaves a database that the next one completes."""

import re
from collections.abc import Callable

import pytest

from tests.engines import Database, Engine
from tests.interruption.chains import DOWN, UP, Chain, Chains, client_of
from tests.interruption.client import PostgresqlClient
from tests.interruption.program import Words
from tests.interruption.sessions import await_silence
from tests.interruption.states import state_of
from tests.interruption.summary import Tally

PARTS = 8
"""The statements of a chain are dealt out to as many tests, for as many processes to take."""

ENDED_BY_ADMINISTRATOR = "terminating connection due to administrator command"
LOST = re.compile(
    rf"the connection to \S+ was lost: {ENDED_BY_ADMINISTRATOR}; nothing of the unfinished revision .*: run it again"
    rf"|cannot connect to \S+: {ENDED_BY_ADMINISTRATOR}: the server ended it, or somebody did: run it again"
    rf"|the server ended the wait for the upgrade's lock: {ENDED_BY_ADMINISTRATOR}"
)

commands = pytest.mark.parametrize("words", [UP, DOWN], ids=" ".join)
parts = pytest.mark.parametrize("part", range(PARTS))

Kill = Callable[[Database, Chain, int], bool]


@commands
@parts
def test_a_killed_client_leaves_what_the_next_migration_completes(
    engine: Engine, chains: Chains, tally: Tally, words: Words, part: int
) -> None:
    kills = kill_after_each(engine, chains, chains.chain(words), part, kill_client)
    tally.count(f"{engine.name}, {' '.join(words)}, kill -9 of the client", *kills)


@commands
@parts
@pytest.mark.kills_backends
@pytest.mark.only_on("postgresql")
def test_a_terminated_backend_leaves_what_the_next_migration_completes(
    engine: Engine, chains: Chains, tally: Tally, words: Words, part: int
) -> None:
    kills = kill_after_each(engine, chains, chains.chain(words), part, terminate_backend)
    tally.count(f"{engine.name}, {' '.join(words)}, termination of the backend", *kills)


def kill_after_each(engine: Engine, chains: Chains, chain: Chain, part: int, kill: Kill) -> tuple[int, int]:
    """Kill a migration after each statement of a part of the chain; return how many statements and kills there were."""
    numbers = range(part, len(chain.statements), PARTS)
    kills = 0
    reached: set[str] = set()
    for number in numbers:
        database = engine.create(chain.start)
        kills += kill(database, chain, number)
        await_silence(database)
        state = state_of(database)
        assert chain.half_done(state) == {}
        if chain.words == DOWN and state.revision not in reached:
            goes_back_up(engine, chains, database)
            reached.add(state.revision)
        database.alembic(*chain.words)
        assert chain.end.differences(state_of(database)) == {}
        await_silence(database)
        engine.drop(database)
    return len(numbers), kills


def kill_client(database: Database, chain: Chain, number: int) -> bool:
    """Kill the client after the statement of that number; whether it died of it."""
    with client_of(database, chain.words) as client:
        for reached, statement in enumerate(client.statements()):
            assert statement == chain.statements[reached]
            if reached == number:
                return client.kill()
    return False


def terminate_backend(database: Database, chain: Chain, number: int) -> bool:
    """Terminate the server process after the statement of that number; whether it was there, and is gone."""
    terminated = False
    with client_of(database, chain.words) as client:
        assert isinstance(client, PostgresqlClient)
        for reached, statement in enumerate(client.statements()):
            assert statement == chain.statements[reached]
            if reached == number:
                terminated = client.terminate_backend(database)
        status, said = client.ended()
    if status == 0:  # it had nothing left to do but to give the lock back
        assert chain.end.differences(state_of(database)) == {}
    else:
        assert LOST.fullmatch(said), said
    return terminated


def goes_back_up(engine: Engine, chains: Chains, downgraded: Database) -> None:
    """See that an interrupted downgrade may also be taken back."""
    database = engine.create(downgraded)
    database.alembic(*UP)
    assert chains.chain(UP).end.differences(state_of(database)) == {}
    engine.drop(database)
