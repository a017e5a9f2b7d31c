"""A migration that is killed while CONCURRENTLY waits leaves an INVALID index, which the next one builds anew."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from itertools import cycle

import psycopg
import pytest
from alembic.util import CommandError

from support.engines import Database, Engine
from tests.migrations.interruption.blockers import (
    DEAD,
    FILLED,
    NOT_FILLED,
    VALID,
    Flags,
    await_wait,
    flags_of,
    old_snapshot,
    writer,
)
from tests.migrations.interruption.chains import CONCURRENT_BUILD, UP, Chain, Chains
from tests.migrations.interruption.client import PostgresqlClient
from tests.migrations.interruption.sessions import await_silence
from tests.migrations.interruption.states import state_of
from tests.migrations.interruption.summary import Tally
from tests.migrations.interruption.wire import Moment

pytestmark = pytest.mark.only_on("postgresql")

Blocker = Callable[[Database, str], AbstractContextManager[None]]
Step = tuple[Blocker, Flags]
"""Who holds it up, and what there is of the index then."""

MATERIALIZED = "key_health_monitor"
BUILD_BEGUN: Step = (writer, NOT_FILLED)
BUILD_NEARLY_ENDED: Step = (old_snapshot, FILLED)
REMOVAL_BEGUN: Step = (writer, FILLED)
REMOVAL_NEARLY_ENDED: Step = (writer, DEAD)


@pytest.fixture
def database(engine: Engine, chains: Chains) -> Iterator[Database]:
    made = engine.create(chains.base)
    yield made
    engine.drop(made)


@pytest.fixture
def chain(chains: Chains) -> Chain:
    return chains.chain(UP)


def builds(chain: Chain) -> list[re.Match[str]]:
    """Return the statements that build an index CONCURRENTLY."""
    return [build for build in map(CONCURRENT_BUILD.match, chain.statements) if build]


def on_tables(chain: Chain) -> list[re.Match[str]]:
    """Return those whose table somebody can write to, and not a materialized view: nothing waits for its writers."""
    return [build for build in builds(chain) if build["table"] != MATERIALIZED]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((BUILD_BEGUN,), marks=pytest.mark.full),
        pytest.param((BUILD_NEARLY_ENDED,), marks=pytest.mark.full),
        (BUILD_BEGUN, BUILD_NEARLY_ENDED),
    ],
    ids=["begun", "nearly ended", "in turn"],
)
def test_every_index_whose_build_was_interrupted_is_built_again(
    database: Database, chain: Chain, tally: Tally, steps: tuple[Step, ...]
) -> None:
    """One upgrade after the other is killed, each at the next index, in one of the steps of its build."""
    kills = 0
    for build, step in zip(builds(chain), cycle(steps)):
        here = step if build["table"] != MATERIALIZED else BUILD_NEARLY_ENDED
        kills += terminate_while_it_waits(database, build.string, build, here)
        assert flags(database, build["index"]) == here[1]
        assert chain.half_done(state_of(database)) == {}
    database.alembic(*UP)
    assert chain.end.differences(state_of(database)) == {}
    what = f"{database.engine_name}, upgrade head, termination in the midst of CREATE INDEX CONCURRENTLY"
    tally.count(what, len(builds(chain)), kills)


@pytest.mark.parametrize("step", [REMOVAL_BEGUN, REMOVAL_NEARLY_ENDED], ids=["begun", "nearly ended"])
def test_an_index_whose_removal_was_interrupted_is_built_again(database: Database, chain: Chain, step: Step) -> None:
    """What is INVALID is dropped CONCURRENTLY, too."""
    for build in (on_tables(chain)[0], on_tables(chain)[-1]):
        assert terminate_while_it_waits(database, build.string, build, BUILD_NEARLY_ENDED)
        removal = f"DROP INDEX CONCURRENTLY public.{build['index']}"
        assert terminate_while_it_waits(database, removal, build, step)
        assert flags(database, build["index"]) == step[1]
    database.alembic(*UP)
    assert chain.end.differences(state_of(database)) == {}


def test_the_server_process_of_a_killed_client_keeps_the_next_upgrade_waiting(database: Database, chain: Chain) -> None:
    """The server learns of the client's death when it has executed its statement."""
    build = builds(chain)[0]
    with old_snapshot(database, build["table"]), PostgresqlClient(database.url, UP) as client:
        for moment, statement in client.moments():
            if (moment, statement) == (Moment.RUNNING, build.string):
                await_wait(database, client.wire.backend_pid, build["index"], FILLED)
                assert client.kill()
                break
        with pytest.raises(CommandError, match=f"another session .*server process {client.wire.backend_pid}"):
            database.alembic("-x", "lock-wait=0", *UP)
    await_silence(database)
    assert flags(database, build["index"]) == VALID
    database.alembic(*UP)
    assert chain.end.differences(state_of(database)) == {}


def terminate_while_it_waits(database: Database, statement: str, build: re.Match[str], step: Step) -> bool:
    """Terminate the server process of an upgrade in the midst of a statement; whether it came to that."""
    blocker, left = step
    terminated = False
    with ExitStack() as blockers, PostgresqlClient(database.url, UP) as client:
        for moment, sent in client.moments():
            if sent != statement:
                continue
            if moment is Moment.SENT:
                first = blockers.enter_context(ExitStack())
                first.enter_context(blocker(database, build["table"]))
            elif moment is Moment.RUNNING:
                if left == DEAD:
                    await_wait(database, client.wire.backend_pid, build["index"], FILLED)
                    blockers.enter_context(blocker(database, build["table"]))
                    first.close()
                await_wait(database, client.wire.backend_pid, build["index"], left)
                terminated = client.terminate_backend(database)
        status, said = client.ended()
        assert (status, said[:20]) == (3, "the connection to po"), said
    await_silence(database)
    return terminated


def flags(database: Database, index: str) -> Flags | None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        return flags_of(connection, index)
