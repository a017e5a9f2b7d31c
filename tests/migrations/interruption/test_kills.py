"""A migration that is killed after any of its statements leaves a database that the next one completes."""

import re
from collections.abc import Callable

import pytest

from support.engines import Database, Engine
from support.later import LAID_OVER
from tests.migrations.interruption.chains import DOWN, UP, Chain, Chains, client_of
from tests.migrations.interruption.client import PostgresqlClient
from tests.migrations.interruption.files import copy_as_left, must_be_recovered
from tests.migrations.interruption.program import Words
from tests.migrations.interruption.sessions import await_silence
from tests.migrations.interruption.states import VERSION_TABLE, State, state_of
from tests.migrations.interruption.summary import Tally

PARTS = 2 if LAID_OVER else 8
"""The statements of a chain are dealt out to as many tests, for as many processes to take."""

ENDED_BY_ADMINISTRATOR = "terminating connection due to administrator command"
LOST = re.compile(
    rf"the connection to \S+ was lost: {ENDED_BY_ADMINISTRATOR}; run it again: the next run continues .*"
    rf"|cannot connect to \S+: {ENDED_BY_ADMINISTRATOR}: the server or an administrator ended it: run it again"
    rf"|the server ended the wait for the upgrade's lock: {ENDED_BY_ADMINISTRATOR}"
)

commands = pytest.mark.parametrize("words", [UP, DOWN], ids=" ".join)
parts = pytest.mark.parametrize("part", range(PARTS))

Kill = Callable[[Database, Chain, int], bool]


class Killer:
    """Kills migrations on one engine, and sees what becomes of the databases."""

    def __init__(self, engine: Engine, chains: Chains, *, thorough: bool) -> None:
        """Kill where it tells something; with `thorough` everywhere, and have each that was killed completed."""
        self.engine = engine
        self.chains = chains
        self.thorough = thorough

    def kill_after_each(self, chain: Chain, part: int, kill: Kill) -> tuple[int, int]:
        """Kill after statements of a part of the chain; return how many statements and kills there were.

        After each with `thorough`, else on PostgreSQL after those that tell, and on SQLite after each `EVERY`th.
        """
        chosen = list(range(len(chain.statements))) if self.thorough else chain.telling()
        numbers = chosen[part::PARTS]
        assert numbers
        kills = recoveries = 0
        for number in numbers:
            database = self.engine.create(chain.start)
            kills += kill(database, chain, number)
            await_silence(database)
            if database.dialect == "sqlite":
                recoveries += must_be_recovered(database)
                looked_at = copy_as_left(self.engine, database)
                self.complete(chain, database, state_of(looked_at))
                self.engine.drop(looked_at)
            else:
                self.complete(chain, database, state_of(database))
            self.engine.drop(database)
        assert recoveries or self.engine.name.startswith("postgresql")
        return len(numbers), kills

    def stop_after_each(self, chain: Chain) -> int:
        """Let one client run, and complete a copy of its files from after each statement; return how many.

        That is what a kill leaves of SQLite's: the file and its journals.
        """
        database = self.engine.create(chain.start)
        recoveries = 0
        with client_of(database, chain.words) as client:
            for reached, statement in enumerate(client.statements()):
                assert statement == chain.statements[reached]
                copy = copy_as_left(self.engine, database)
                recoveries += must_be_recovered(copy)
                self.complete(chain, copy, state_of(copy), killed=False)
                self.engine.drop(copy)
            assert client.ended() == (0, "")
        self.engine.drop(database)
        assert recoveries
        return reached + 1

    def complete(self, chain: Chain, database: Database, left: State, *, killed: bool = True) -> None:
        """See that what is left is no half of a revision, and that the same command completes it."""
        assert chain.half_done(left) == {}
        is_new = left not in chain.completed
        if is_new and chain.words == DOWN:
            self.go_back_up(database)
        # With the same catalog and the same rows an engine does the same; the journals of files differ.
        if is_new or self.thorough or (killed and database.dialect == "sqlite"):
            database.alembic(*chain.words)
            assert chain.end.differences(state_of(database)) == {}
            await_silence(database)
        if is_new:
            chain.completed.append(left)

    def go_back_up(self, downgraded: Database) -> None:
        """See that an interrupted downgrade may also be taken back."""
        if downgraded.dialect == "sqlite":
            database = copy_as_left(self.engine, downgraded)
        else:
            database = self.engine.create(downgraded)
        database.alembic(*UP)
        remaining = self.chains.chain(UP).end.differences(state_of(database))
        # Where no revision was left, none is run, and what was built for the next one stays: validate names it.
        assert {name for name in remaining if "idx_key_audit_logs_user_id_next" not in name} == set()
        self.engine.drop(database)


@pytest.fixture
def killer(engine: Engine, chains: Chains, pytestconfig: pytest.Config) -> Killer:
    return Killer(engine, chains, thorough=pytestconfig.getoption("--full"))


@commands
@parts
def test_a_killed_client_leaves_what_the_next_migration_completes(
    killer: Killer, chains: Chains, tally: Tally, words: Words, part: int
) -> None:
    kills = killer.kill_after_each(chains.chain(words), part, kill_client)
    tally.count(f"{killer.engine.name}, {' '.join(words)}, kill -9 of the client", *kills)


@commands
@pytest.mark.only_on("sqlite")
def test_files_as_they_are_after_each_statement_are_what_the_next_migration_completes(
    killer: Killer, chains: Chains, tally: Tally, words: Words
) -> None:
    chain = chains.chain(words)
    stops = killer.stop_after_each(chain)
    tally.count(f"{killer.engine.name}, {' '.join(words)}, files copied", len(chain.statements), stops)


@commands
@parts
@pytest.mark.full
@pytest.mark.only_on("sqlite")
def test_a_killed_client_that_uses_a_rollback_journal_leaves_what_the_next_migration_completes(
    killer: Killer, chains: Chains, tally: Tally, words: Words, part: int
) -> None:
    """The engine of an application that knows nothing of this package's."""
    kills = killer.kill_after_each(chains.chain(words, hosts_engine=True), part, kill_client)
    tally.count(f"{killer.engine.name}, {' '.join(words)}, kill -9 of a client with a rollback journal", *kills)


@commands
@parts
@pytest.mark.full
@pytest.mark.only_on("postgresql")
def test_a_terminated_backend_leaves_what_the_next_migration_completes(
    killer: Killer, chains: Chains, tally: Tally, words: Words, part: int
) -> None:
    kills = killer.kill_after_each(chains.chain(words), part, terminate_backend)
    tally.count(f"{killer.engine.name}, {' '.join(words)}, termination of the backend", *kills)


@commands
@pytest.mark.only_on("postgresql")
def test_a_backend_that_is_terminated_when_all_is_done_leaves_no_traceback(
    killer: Killer, chains: Chains, words: Words
) -> None:
    """From the last revision's COMMIT to giving the lock back: `terminate_backend` reads what the client says."""
    chain = chains.chain(words)
    stamped = max(number for number, statement in enumerate(chain.statements) if VERSION_TABLE in statement)
    for number in range(stamped + 1, len(chain.statements)):
        database = killer.engine.create(chain.start)
        assert terminate_backend(database, chain, number)
        await_silence(database)
        assert chain.end.differences(state_of(database)) == {}
        killer.engine.drop(database)


def kill_client(database: Database, chain: Chain, number: int) -> bool:
    """Kill the client after the statement of that number; whether it died of it."""
    with client_of(database, chain.words, hosts_engine=chain.hosts_engine) as client:
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
