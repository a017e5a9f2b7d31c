"""A primary is killed among writers and a sealer, and its synchronous standby promoted: nothing promised is lost."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from kms_schema.audit.sealing.sealer import seal
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.stored_seals import StoredSeal
from support.engines import Database
from support.engines.database import Connection
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs
from support.programs.commands import kms_schema
from support.reports import found, report_on
from support.statements import execute
from tests.audit.standbys import (
    SECONDS,
    WITHOUT_REST,
    answers,
    kill_server,
    make_synchronous,
    postmaster,
    promote,
    same_on,
    standby_of,
    wait_for,
)
from tests.audit.trails import KEY, checkpoint_of, is_whole, open_trail, seal_all, verified, write

pytestmark = pytest.mark.only_on("postgresql")

LEVELS = ("on", "on", "remote_apply", "remote_apply")
"""What each writer asks of its commits."""
SEALER = "local"
"""What the sealer's session says: that would not wait for the standby, and a seal does."""
ENTRIES, SEALS = 200, 4
CUT_OFF = 0.3
"""Seconds in which the primary sends nothing to its standby, so that what does not wait for it would be lost."""
WRITE = (
    "INSERT INTO key_audit_logs (event_type, event_category, event_description)"
    " VALUES ('TEST', 'LIFECYCLE', 'x') RETURNING id::text"
)


@dataclass
class Promised:
    """What the primary said was committed."""

    entries: list[str] = field(default_factory=list)
    seals: list[StoredSeal] = field(default_factory=list)

    def write(self, connection: Connection, level: str) -> None:
        execute(connection, f"SET synchronous_commit = {level}")
        for number in range(10**6):
            execute(connection, "BEGIN")
            written = [execute(connection, WRITE).fetchone()[0] for _ in range(1 + number % 3)]
            if number % 7 == 0:
                execute(connection, "ROLLBACK")
            else:
                execute(connection, "COMMIT")
                self.entries += written

    def seal(self, connection: Connection) -> None:
        execute(connection, f"SET synchronous_commit = {SEALER}")
        while True:
            for kept in seal(open_trail(connection), KEY):
                self.seals.append(kept)
            time.sleep(0.01)


def until_it_dies(database: Database, work: Callable[[Connection], None]) -> None:
    with closing(database.connect()) as connection:
        try:
            work(connection)
        except psycopg.OperationalError:
            assert connection.closed


@pytest.fixture
def primary(engine_name: str) -> Iterator[PostgresqlEngine]:
    programs = find_programs(int(engine_name.removeprefix("postgresql-")))
    with closing(PostgresqlEngine(engine_name, programs, WITHOUT_REST)) as engine:
        yield engine


def killed_under_load(database: Database, promised: Promised) -> None:
    """Let clients be told of commits, cut the standby off, and kill the primary with transactions open."""

    def writer(level: str) -> Callable[[Connection], None]:
        return lambda connection: promised.write(connection, level)

    works = [promised.seal, *map(writer, LEVELS)]
    with (
        closing(database.connect()) as slow,
        closing(database.connect()) as admin,
        ThreadPoolExecutor(len(works)) as pool,
    ):
        make_synchronous(admin)
        (sender,) = execute(admin, "SELECT pid FROM pg_stat_replication").fetchone()
        server = postmaster(admin)
        execute(slow, "BEGIN")
        write(slow, 1)
        working = [pool.submit(until_it_dies, database, work) for work in works]

        def enough() -> bool:
            told = len(promised.entries) > ENTRIES and len(promised.seals) > SEALS
            return told or any(work.done() for work in working)

        try:
            wait_for(enough, "no commit is told")
            os.kill(sender, signal.SIGSTOP)
            time.sleep(CUT_OFF)
        finally:
            kill_server(*server)
        for work in working:
            work.result(SECONDS)


def test_nothing_acknowledged_is_lost_with_a_primary_that_is_killed(primary: PostgresqlEngine, tmp_path: Path) -> None:
    database, promised = primary.create(), Promised()
    database.alembic("upgrade", "head")
    with closing(standby_of(primary)) as standby:
        killed_under_load(database, promised)
        assert promised.seals[-1].open_gaps != ()  # with ids of the old primary's transactions
        copy = same_on(standby, database)
        with closing(copy.connect()) as connection:
            promote(connection)
            there = {row[0] for row in execute(connection, "SELECT id::text FROM key_audit_logs").fetchall()}
            assert set(promised.entries) - there == set()
            afterwards: list[StoredSeal] = []
            for _ in "what was left", "what that has left open":
                write(connection, 1)
                afterwards += seal_all(connection)
            assert afterwards[-1].open_gaps == ()
            assert afterwards[-1].system_identifier == promised.seals[0].system_identifier
        is_whole(copy, tuple(map(checkpoint_of, [*promised.seals, *afterwards])))
        kept = tmp_path / "checkpoint"
        kept.write_text(str(promised.seals[-1].note()), encoding="utf-8")
        verified = kms_schema("audit", "verify", "--checkpoint", str(kept), url=copy.url)
        assert (verified.status, verified.out.splitlines()[-1]) == (0, "sound")
        assert found(report_on(copy)) == []


def test_a_standby_is_verified_not_sealed_and_a_checkpoint_shows_the_seal_that_it_lacks(
    primary: PostgresqlEngine,
) -> None:
    database = primary.create()
    database.alembic("upgrade", "head")
    with closing(standby_of(primary)) as standby, closing(database.connect()) as connection:
        write(connection, 2)
        kept = seal_all(connection)
        with closing(same_on(standby, database).connect()) as copy:
            wait_for(answers(copy, "SELECT count(*) FROM key_audit_seals", 1), "the standby does not follow")
            by_workers = kms_schema("audit", "verify", "--jobs", "3", url=same_on(standby, database).url)
            assert (by_workers.status, by_workers.out.splitlines()[-1]) == (0, "sound"), by_workers.all
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="during recovery"):
                seal_all(copy)
            (sender,) = execute(connection, "SELECT pid FROM pg_stat_replication").fetchone()
            os.kill(sender, signal.SIGSTOP)
            write(connection, 2)
            lost = seal_all(connection)
            kill_server(*postmaster(connection))
            promote(copy)
            write(copy, 1)
            kept += seal_all(copy)
            assert verified(copy, checkpoints=tuple(map(checkpoint_of, kept))).faults == []
            (fault,) = verified(copy, checkpoints=tuple(map(checkpoint_of, [*kept, *lost]))).faults
            assert f"a checkpoint is of {lost[-1].tree_size} leaves" in fault.message


def test_no_checkpoint_is_handed_out_when_the_wait_for_the_standby_is_cancelled(engine_name: str) -> None:
    programs = find_programs(int(engine_name.removeprefix("postgresql-")))
    options = ("--set", "synchronous_standby_names=nobody")
    with closing(PostgresqlEngine(engine_name, programs, options)) as engine, ThreadPoolExecutor(1) as pool:
        database = engine.create()
        database.alembic("upgrade", "head")
        with closing(database.connect()) as connection, closing(database.connect()) as admin:
            write(connection, 2)
            execute(connection, "SET client_min_messages = error")
            sealing = pool.submit(seal_all, connection)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            wait_for(answers(admin, waiting, 1), "sealing does not wait")
            execute(admin, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            with pytest.raises(TrailError, match=r"perhaps not on the standby.*audit checkpoint"):
                sealing.result(SECONDS)
        is_whole(database)
