"""Several processes find what one finds, all in one state, and none of them is left behind."""

import os
import pickle
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict
from typing import Any

import psycopg
import pytest

from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.postgresql.transactions import PostgresqlSnapshot
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import ExportedSnapshot
from kms_schema.audit.verification import ranges, worker_pool
from kms_schema.audit.verification.result import VerificationResult
from kms_schema.audit.verification.verifier import verify
from kms_schema.audit.verification.worker_pool import Worker, WorkerPool, open_snapshot
from support.engines import Database
from support.engines.database import Connection
from support.statements import execute
from tests.audit.changes import CHANGES
from tests.audit.tampered import BATCH, ENTRIES, Scene, copy_of_an_entry
from tests.audit.trails import checkpoint_of, open_trail, seal_all, verified, write

JOBS = 3
SEALED = (
    "an entry removed",
    "an entry moved to the end",
    "all entries removed",
    "a page removed",
    "a page added",
    "a page of entries that are in another",
    "a last seal that cannot be read",
)
FURTHER = {
    "every entry changed": "UPDATE key_audit_logs SET duration_ms = duration_ms + 1",
    "entries of several parts changed": "UPDATE key_audit_logs SET risk_score = 7 WHERE sequence IN (99, 103, 250)",
    "a page that goes on into the next part": (
        "UPDATE key_audit_leaves SET hashes = CAST(hashes || hashes AS {bytes}) WHERE first_leaf = 0"
    ),
    "nothing": "UPDATE key_audit_logs SET user_id = user_id",
}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a part of each page, so that a short trail has several."""
    monkeypatch.setattr(ranges, "SMALLEST", 40)


def by_several(connection: Connection, jobs: int = JOBS, **options: Any) -> VerificationResult:
    with open_snapshot(open_trail(connection), jobs) as (snapshot, workers):
        return verify(snapshot, workers=workers, **options)


def both_find_the_same(scene: Scene, *statements: str) -> VerificationResult:
    checkpoints = tuple(map(checkpoint_of, scene.seals))
    with scene.changed():
        for statement in statements:
            scene.execute(statement)
        by_one = verified(scene.connection, checkpoints=checkpoints)
        assert asdict(by_several(scene.connection, checkpoints=checkpoints)) == asdict(by_one)
    return by_one


@pytest.mark.full_on("postgresql")
@pytest.mark.parametrize("change", SEALED)
def test_workers_find_the_faults_of_one_process(scene: Scene, change: str) -> None:
    statements, message = CHANGES[change]
    assert message in "\n".join(fault.message for fault in both_find_the_same(scene, *statements.split("; ")).faults)


@pytest.mark.parametrize("change", FURTHER)
def test_workers_find_the_faults_of_one_process_in_every_range(scene: Scene, change: str) -> None:
    kind = "BLOB" if isinstance(scene.connection, sqlite3.Connection) else "bytea"
    verdict = both_find_the_same(scene, FURTHER[change].format(bytes=kind))
    assert verdict.sound == (change == "nothing")


def test_workers_find_an_entry_between_sealed_ones(scene: Scene) -> None:
    move = "UPDATE key_audit_logs SET sequence = sequence + 10 WHERE sequence > 150"
    assert not both_find_the_same(scene, move.replace("+ 10", "+ 10000"), copy_of_an_entry(scene, 0)).sound


@pytest.fixture
def sealed(database: Database) -> Iterator[Connection]:
    with closing(database.connect()) as connection:
        write(connection, ENTRIES)
        seal_all(connection, batch=BATCH)
        yield connection


def test_every_range_is_verified_and_progress_is_reported(sealed: Connection) -> None:
    told: list[tuple[str, int, int]] = []
    verdict = by_several(sealed, progress=lambda *what: told.append(what))
    assert (verdict.sound, verdict.entries, verdict.seals) == (True, ENTRIES + 1, 4)
    assert ("entries", ENTRIES + 1, ENTRIES + 1) in told
    assert ("leaves", ENTRIES + 1, ENTRIES + 1) in told
    with open_trail(sealed).reading() as snapshot:
        assert len(ranges.plan_ranges(snapshot.tree, None, 0, ENTRIES + 1, JOBS)) == 4


def test_from_a_seal_on(sealed: Connection) -> None:
    assert asdict(by_several(sealed, since=2))["entries"] == ENTRIES + 1 - 2 * BATCH


def test_all_workers_have_the_snapshot_that_was_opened(database: Database, sealed: Connection) -> None:
    with closing(database.connect()) as other, open_snapshot(open_trail(sealed), JOBS) as (snapshot, workers):
        write(other, 5)
        seal_all(other)
        write(other, 5)
        verdict = verify(snapshot, workers=workers)
    assert (verdict.sound, verdict.entries, verdict.seals, verdict.unsealed) == (True, ENTRIES + 1, 4, 0)
    assert by_several(sealed).entries == ENTRIES + 6


@pytest.mark.only_on("postgresql")
def test_a_worker_that_opens_later_has_the_snapshot_of_the_first(
    monkeypatch: pytest.MonkeyPatch, database: Database, sealed: Connection
) -> None:
    opening = WorkerPool.open

    def late(self: WorkerPool, snapshot: ExportedSnapshot) -> list[StoredSeal | None]:
        with closing(database.connect()) as other:
            write(other, 5)
            seal_all(other)
        return opening(self, snapshot)

    monkeypatch.setattr(WorkerPool, "open", late)
    with open_snapshot(open_trail(sealed), JOBS) as (snapshot, workers):
        verdict = verify(snapshot, workers=workers)
    assert (verdict.sound, verdict.entries, verdict.unsealed) == (True, ENTRIES + 1, 0)


def are_gone(workers: WorkerPool) -> bool:
    return all(worker.exit_status is not None for worker in workers.workers)


def test_an_interruption_ends_all_workers(sealed: Connection) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with open_snapshot(open_trail(sealed), JOBS) as (snapshot, workers):
        assert workers is not None
        assert len(workers.workers) == JOBS - 1
        with pytest.raises(KeyboardInterrupt):
            verify(snapshot, progress=stop, workers=workers)
        assert are_gone(workers)
    assert by_several(sealed).sound, "the connection can be used again"


def test_a_killed_worker_is_an_error_and_never_a_result(sealed: Connection) -> None:
    """It is stopped first, so that it dies over the part that it was given."""
    with open_snapshot(open_trail(sealed), JOBS) as (snapshot, workers):
        assert workers is not None
        victim = workers.workers[0]
        os.kill(victim.pid, signal.SIGSTOP)
        threading.Timer(0.3, os.kill, (victim.pid, signal.SIGKILL)).start()
        with pytest.raises(TrailError, match="with exit status -9: nothing is verified, run this again"):
            verify(snapshot, workers=workers)
        assert are_gone(workers)


def test_a_worker_ends_with_the_process_that_started_it(sealed: Connection) -> None:
    """Its pipe is closed as it is when that one is killed."""
    del sealed
    worker = Worker()
    worker.hang_up()
    assert worker.exit_status == 1


@pytest.mark.only_on("postgresql")
def test_an_error_of_the_server_in_a_worker_is_raised_here(database: Database, sealed: Connection) -> None:
    with open_snapshot(open_trail(sealed), 2) as (snapshot, workers), closing(database.connect()) as other:
        mine = snapshot.session.cursor.connection.info.backend_pid  # type: ignore[attr-defined]
        ended = execute(
            other,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid NOT IN (pg_backend_pid(), :mine)",
            {"mine": mine},
        ).fetchall()
        assert ended == [(True,)]
        with pytest.raises(psycopg.OperationalError):
            verify(snapshot, workers=workers)


def test_the_password_is_in_no_message() -> None:
    assert "secret" not in repr(PostgresqlSnapshot("host=h password=secret", "public", "1"))


def writes_when_it_is_opened(monkeypatch: pytest.MonkeyPatch, database: Database, times: int) -> None:
    """Commit an entry each time that processes have opened the file, at most so many times."""
    opening = WorkerPool.open
    left = times

    def opened(self: WorkerPool, snapshot: ExportedSnapshot) -> list[StoredSeal | None]:
        nonlocal left
        seals = opening(self, snapshot)
        if left:
            left -= 1
            with closing(database.connect()) as other:
                write(other, 1)
        return seals

    monkeypatch.setattr(WorkerPool, "open", opened)


@pytest.mark.only_on("sqlite")
def test_a_file_that_is_written_meanwhile_is_opened_again(
    monkeypatch: pytest.MonkeyPatch, database: Database, sealed: Connection
) -> None:
    writes_when_it_is_opened(monkeypatch, database, 3)
    assert by_several(sealed).unsealed == 3


@pytest.mark.only_on("sqlite")
def test_a_file_that_is_written_all_the_time_is_refused(
    monkeypatch: pytest.MonkeyPatch, database: Database, sealed: Connection
) -> None:
    writes_when_it_is_opened(monkeypatch, database, 1000)
    with pytest.raises(TrailError, match=f"each time that {JOBS} processes opened it: verify it with one job"):
        by_several(sealed)


@pytest.mark.only_on("sqlite")
def test_a_database_in_memory_is_for_one_process() -> None:
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(TrailError, match="by one process only"):
        by_several(connection)


def test_a_trail_is_open_in_one_process_unless_more_are_asked_for(sealed: Connection) -> None:
    with open_snapshot(open_trail(sealed)) as (snapshot, workers):
        assert snapshot.seals.last() is not None
        assert workers is None


def test_a_worker_ends_with_half_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_SECONDS_TO_END", 15)
    worker = Worker()
    try:
        worker._orders.write(pickle.dumps(("open", "x" * 100))[:50])
        with suppress(subprocess.TimeoutExpired):
            worker.hang_up()
        assert worker.exit_status == 1
    finally:
        worker.kill()
