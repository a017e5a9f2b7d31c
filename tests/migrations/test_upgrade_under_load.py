"""004 to 005 and back while clients write: none of their statements fails, and none waits longer than is promised.

What `operations.lock` promises: a client waits for at most `lock_timeout` and `deadlock_timeout` while the
locks of a revision are asked for, then everybody gets through and they are asked for again. Under the locks 005 looks
at the rows once more, for at most another `lock_timeout`, and makes its triggers, which takes a moment.
"""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from support.catalog import catalog, differences
from support.concurrency.clients import READER, Clients
from support.concurrency.lock_waits import LockWaits
from support.engines import Database, Engine
from support.engines.database import Connection
from support.programs.alembic_processes import start_alembic
from support.rows.volume import SQLITE_SHARE
from support.statements import execute
from support.violations.violation import violating
from tests.migrations.long_upgrades import WAIT_SECONDS, bring_below, until

LOCK_TIMEOUT_MS = 1000
MOMENT_SECONDS = 1.0
"""What triggers, catalogs, and a machine that runs all clients as well may take."""

NEVER_WAIT_FOR_AN_UPGRADE = {"record_events", "read"}
"""To 005 it locks tables against writers, never against readers, and never the audit trail."""


@dataclass(frozen=True)
class Migrated:
    """A run of the real program that has ended."""

    status: int
    said: str
    began: float
    ended: float


def finish(process: subprocess.Popen[str], began: float) -> Migrated:
    try:
        said = process.communicate(timeout=WAIT_SECONDS)[1]
    finally:
        process.kill()
    return Migrated(process.returncode, said, began, time.monotonic())


def start(database: Database, direction: str, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS) -> subprocess.Popen[str]:
    target = {"upgrade": "head", "downgrade": "004"}.get(direction, direction)
    direction = "upgrade" if target == direction else direction
    return start_alembic(database.url, "-x", f"lock-timeout-ms={lock_timeout_ms}", direction, target)


def migrate(database: Database, direction: str) -> Migrated:
    began = time.monotonic()
    return finish(start(database, direction), began)


def told(migration: Migrated, clients: Clients) -> str:
    """Return the figures, for `pytest -rP`."""
    longest = clients.longest(migration.began, migration.ended)
    statements = sum(clients.ended(migration.began, migration.ended).values())
    return (
        f"{migration.ended - migration.began:.1f} s, {statements} statements, of which the longest took "
        f"{longest.seconds:.3f} s: {longest.client}: {longest.statement[:40]}…"
    )


def promised_seconds(connection: Connection, lock_timeout_ms: int = LOCK_TIMEOUT_MS) -> float:
    """Return how long a client may have to wait."""
    ((setting,),) = execute(connection, "SELECT setting FROM pg_settings WHERE name = 'deadlock_timeout'").fetchall()
    return (2 * lock_timeout_ms + int(setting)) / 1000 + MOMENT_SECONDS


@pytest.fixture
def in_use(engine: Engine, large: Database) -> Iterator[Database]:
    """A large database at 004 of the test's own."""
    made = engine.create(large)
    yield made
    engine.drop(made)


@pytest.fixture
def copy(engine: Engine, small: Database) -> Iterator[Database]:
    """A small database at 004 of the test's own."""
    made = engine.create(small)
    yield made
    engine.drop(made)


@pytest.mark.only_on("postgresql")
def test_clients_neither_fail_nor_wait_longer_than_promised(in_use: Database, database: Database) -> None:
    with Clients(in_use) as clients, LockWaits(in_use) as lock_waits:
        clients.await_each()
        migrations = [migrate(in_use, direction) for direction in ("005", "upgrade", "downgrade", "upgrade")]
    for migration in migrations:
        assert migration.status == 0, migration.said
        print(told(migration, clients))
        assert min(clients.ended(migration.began, migration.ended).values()) > 0
    assert clients.faults() == []
    with closing(in_use.connect()) as connection, closing(database.connect()) as usual:
        assert clients.longest().seconds < promised_seconds(connection)
        assert violating(connection) == []
        assert differences(catalog(usual), catalog(connection)) == {}
    assert lock_waits.by_migration(migrations[0].began, migrations[0].ended) & NEVER_WAIT_FOR_AN_UPGRADE == set()


# What an open transaction has done: that is all it takes to keep a revision from its locks. It changes no row, since a
# client could then have to wait for the transaction instead of the migration.
WRITTEN = "UPDATE rotation_policies SET is_active = is_active WHERE false"
LONG_TRANSACTION = "long transaction"
READ = "SELECT count(*) FROM rotation_policies"
HOLDING = [("upgrade", WRITTEN), ("downgrade", READ)]
HOLDING_VIEWS = [
    ("downgrade", "SELECT count(*) FROM key_health_monitor"),
    pytest.param("downgrade", "SELECT count(*) FROM rotations_due", marks=pytest.mark.full),
    pytest.param("downgrade", "SELECT count(*) FROM key_view_refreshes", marks=pytest.mark.full),
]


@contextmanager
def long_transaction(database: Database, statement: str) -> Iterator[Connection]:
    with closing(database.connect()) as connection:
        execute(connection, f"SET application_name = '{LONG_TRANSACTION}'")
        execute(connection, "BEGIN")
        execute(connection, statement)
        yield connection


@pytest.mark.parametrize(("direction", "statement"), [*HOLDING, *HOLDING_VIEWS])
@pytest.mark.only_on("postgresql")
def test_clients_get_through_while_a_long_transaction_keeps_a_revision_from_its_locks(
    copy: Database, direction: str, statement: str
) -> None:
    bring_below(copy, direction)
    timeout_ms = 300
    with Clients(copy) as clients, LockWaits(copy) as lock_waits:
        clients.await_each()
        with long_transaction(copy, statement) as other:
            began = time.monotonic()
            process = start(copy, direction, lock_timeout_ms=timeout_ms)
            until(lambda: bool(lock_waits.times_of_migration(held_by=LONG_TRANSACTION)))
            waiting_since = time.monotonic()
            for _ in range(3):
                attempted_since = time.monotonic()
                time.sleep(timeout_ms / 1000)
                clients.await_each(since=attempted_since)
            held_until = time.monotonic()
            execute(other, "COMMIT")
        migration = finish(process, began)
    assert migration.status == 0, migration.said
    assert clients.faults() == []
    with closing(copy.connect()) as connection:
        longest = clients.longest()
        assert longest.seconds < promised_seconds(connection, timeout_ms), longest
        assert violating(connection) == []
    # Views come first, while no table is locked yet: what can be seen is that there was something to get through.
    assert bool(lock_waits.by_migration(waiting_since, held_until)) == ((direction, statement) in HOLDING)


@pytest.mark.parametrize(("direction", "statement"), HOLDING)
@pytest.mark.only_on("postgresql")
def test_a_revision_that_cannot_have_its_locks_gives_up_and_the_next_run_completes(
    copy: Database, database: Database, direction: str, statement: str
) -> None:
    if direction == "downgrade":
        copy.alembic("upgrade", "005")
    with closing(copy.connect()) as connection, closing(database.connect()) as usual:
        before, revision = catalog(connection), copy.alembic("current")
        with Clients(copy) as clients:
            with long_transaction(copy, statement):
                migration = finish(start(copy, direction, lock_timeout_ms=100), time.monotonic())
            assert migration.status != 0
            told = migration.said.splitlines()[-1]
            assert "in 10 attempts public.rotation_policies could not be locked" in told
            assert re.search(r"in use by (.*, )?process \d+ of postgres", told)
            assert "run it again when that session has ended" in told
            assert copy.alembic("current") == revision
            remaining = differences(before, catalog(connection))
            again = migrate(copy, direction)
        assert again.status == 0, again.said
        assert clients.faults() == []
        if direction == "upgrade":
            assert remaining, "the indexes, which are kept"
            assert all("idx_" in name for name in remaining), remaining
            assert differences(catalog(usual), catalog(connection)) == {}
        else:
            assert remaining == {}
            copy.alembic("upgrade", "head")
            assert differences(catalog(usual), catalog(connection)) == {}


# The server itself looks for the moment: a test on a busy machine would be late.


@pytest.mark.only_on("sqlite")
def test_writers_of_sqlite_wait_for_the_file_and_readers_do_not(in_use: Database, database: Database) -> None:
    with closing(in_use.connect()) as connection:
        assert execute(connection, "PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    with Clients(in_use) as clients:
        clients.await_each()
        migrations = [migrate(in_use, direction) for direction in ("upgrade", "downgrade", "upgrade")]
        clients.await_each(since=migrations[-1].ended)
    for migration in migrations:
        assert migration.status == 0, migration.said
        print(told(migration, clients))
    # One takes a fifth of a second, in which a busy machine may run no reader at all.
    assert sum(clients.ended(migration.began, migration.ended)[READER] for migration in migrations) > 0
    assert clients.faults() == [], "readers have no timeout"
    with closing(in_use.connect()) as connection, closing(database.connect()) as usual:
        assert violating(connection) == []
        assert differences(catalog(usual), catalog(connection)) == {}


def test_the_large_database_is_large(large: Database, pytestconfig: pytest.Config) -> None:
    share = SQLITE_SHARE if large.dialect == "sqlite" else 1
    engine = large.engine()
    with engine.connect() as connection:
        counted = connection.scalar(sa.text("SELECT count(*) FROM key_audit_logs"))
    engine.dispose()
    assert counted == pytestconfig.getoption("--audit-events") // share + 1
