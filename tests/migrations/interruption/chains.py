"""A chain of revisions as it runs when nobody disturbs it: what the others are held against."""

import re
from contextlib import closing
from dataclasses import dataclass, field, replace

from kms_schema.snapshots import chain
from kms_schema.validator.checks.revision_status import LOOKS_AGAIN
from support.engines import Database, Engine
from support.later import LAID_OVER
from support.reports import found, report_on
from support.revisions import revisions
from support.statements import execute
from tests.migrations.interruption.client import Client, PostgresqlClient, SqliteClient
from tests.migrations.interruption.files import use_rollback_journal
from tests.migrations.interruption.program import Words
from tests.migrations.interruption.states import VERSION_TABLE, State, state_of

BOTTOM = max(revision for revision in chain() if revision < "9") if LAID_OVER else "base"
"""Where chains begin: with the later revisions, at the head of the package, whose own are killed without them."""
UP, DOWN = ("upgrade", "head"), ("downgrade", BOTTOM)

CONCURRENT_BUILD = re.compile(
    r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (?P<index>\w+) ON (?:\w+\.)?(?P<table>\w+)"
)

ADDED_BEFORE = re.compile(r"ADD COLUMN IF NOT EXISTS (\w+)")
"""An empty column that an index which is built CONCURRENTLY is on, so that it is committed before."""

ENGINE_OF_LOOK, BEFORE_IT, LOOKING = LOOKS_AGAIN
"""The revision that commits its triggers, looks at rows, and is stamped then."""

ASKS = re.compile(r"\s*(?:SELECT|SHOW|SET|BEGIN|SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE)
"""What changes nothing that is left when the client is gone."""
EVERY = 3 if LAID_OVER else 20
"""Of the statements on SQLite, so many that one is killed at."""

HOST_TABLE = """CREATE TABLE audit_logs
    (id integer PRIMARY KEY, action_type varchar(40), user_id varchar(40), status varchar(40), timestamp varchar(40))"""
"""A host's own, so that 003 has something to build."""


@dataclass(frozen=True)
class Chain:
    """A command that runs through all revisions."""

    words: Words
    hosts_engine: bool
    start: Database
    """Where it begins: a template."""
    statements: tuple[str, ...]
    """All that are sent, by whichever part of the program or the driver."""
    end: State
    boundaries: dict[str, State]
    """The states between revisions, by the revision that the database is at."""
    completed: list[State] = field(default_factory=list)
    """Those that an interrupted one has left, and the next has completed."""

    def telling(self) -> list[int]:
        """Return the statements after which the server may be left in another state than after those beside them.

        These are commits, the last statement before each third of them, and what changes something outside of a
        transaction, but of the indexes that are built there every third: `test_unfinished_indexes` interrupts the
        build of each. On SQLite it is every `EVERY`th of all, and `Killer.stop_after_each` has the rest.
        """
        if self.start.dialect == "sqlite":
            return list(range(0, len(self.statements), EVERY))
        chosen: set[int] = set()
        within = False
        commits = built = 0
        for number, statement in enumerate(self.statements):
            if statement.startswith("COMMIT"):
                chosen |= {number} if commits % 3 else {number - 1, number}
                commits += 1
            elif not within and CONCURRENT_BUILD.match(statement):
                chosen |= set() if built % 3 else {number}
                built += 1
            elif not within and not ASKS.match(statement):
                chosen.add(number)
            within = statement.startswith("BEGIN") or (within and not statement.startswith(("COMMIT", "ROLLBACK")))
        return sorted(chosen)

    def half_done(self, state: State) -> dict[str, object]:
        """Return what `state` has that it has at no boundary, but for indexes that are built CONCURRENTLY.

        Those, and empty columns that they are on, may be there before their revision is, and on the way down before the
        revision is left; the next run goes on from them, valid or not. So may all of a revision that commits what it
        has made before it looks at rows once more.
        """
        if self.words == UP and state.revision == BEFORE_IT and self.start.dialect == ENGINE_OF_LOOK:
            unstamped = replace(self.boundaries[LOOKING], revision=BEFORE_IT)
            if not unstamped.differences(state, but_for=VERSION_TABLE):
                return {}
        difference = self.boundaries[state.revision].differences(state, but_for=VERSION_TABLE)
        builds = filter(None, map(CONCURRENT_BUILD.match, self.statements))
        early = [build["index"] for build in builds]
        if self.words == UP:
            early += [column for statement in self.statements for column in ADDED_BEFORE.findall(statement)]
        return {
            name: pair
            for name, pair in difference.items()
            if not (pair[0] is None and any(each in name for each in early))
        }


def client_of(database: Database, words: Words, *, hosts_engine: bool = False) -> Client:
    """Start a client that migrates, over an engine of its own or, on SQLite, over one that is not from here."""
    if database.dialect == "sqlite":
        return SqliteClient(database.url, words, hosts_engine=hosts_engine)
    return PostgresqlClient(database.url, words)


class Chains:
    """The chains of one engine, each run once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.base, self.head, self._boundaries = self._climb()
        self._chains: dict[tuple[Words, bool], Chain] = {}

    def chain(self, words: Words, *, hosts_engine: bool = False) -> Chain:
        """Return what becomes of a command that nobody disturbs."""
        key = (words, hosts_engine)
        if key not in self._chains:
            start = self.base if words == UP else self.head
            if hosts_engine:
                start = self._engine.create(start)
                use_rollback_journal(start)
            database = self._engine.create(start)
            with client_of(database, words, hosts_engine=hosts_engine) as client:
                statements = tuple(client.statements())
                assert client.ended() == (0, "")
            end = state_of(database)
            self._engine.drop(database)
            self._chains[key] = Chain(words, hosts_engine, start, statements, end, self._boundaries)
        return self._chains[key]

    def _climb(self) -> tuple[Database, Database, dict[str, State]]:
        """Make the databases that the two commands start from, and look at the states between revisions."""
        base, head = self._engine.create(), self._engine.create()
        for database in (base, head):
            with closing(database.connect()) as connection:
                execute(connection, HOST_TABLE)
        boundaries = {"base": state_of(head)}
        for revision in revisions():
            head.alembic("upgrade", revision)
            boundaries[revision] = state_of(head)
            if revision == BOTTOM:
                base.alembic("upgrade", revision)
        assert found(report_on(head)) == []
        return base, head, boundaries
