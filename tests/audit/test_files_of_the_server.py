"""Beneath SQL: bytes that are changed in the files of a PostgreSQL server, and a table that a crash empties."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from support.engines import Database
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs
from support.statements import execute
from tests.audit.owners import Owned, owned

pytestmark = pytest.mark.only_on("postgresql")

SECONDS = 30


@pytest.fixture(scope="module")
def own_server(engine_name: str) -> Iterator[PostgresqlEngine]:
    """A server that may crash without anybody else's tests on it."""
    with closing(PostgresqlEngine(engine_name, find_programs(int(engine_name.removeprefix("postgresql-"))))) as engine:
        yield engine


@pytest.fixture
def crashing(own_server: PostgresqlEngine) -> Database:
    made = own_server.create()
    made.alembic("upgrade", "head")
    return made


def crash(database: Database) -> None:
    """Kill one server process: the others end as well, and the server recovers from its log."""
    with closing(database.connect()) as killed, closing(database.connect()) as witness:
        assert isinstance(killed, psycopg.Connection)
        os.kill(killed.info.backend_pid, signal.SIGKILL)
        deadline = time.monotonic() + SECONDS
        while True:  # until the server has noticed, connections are still taken
            try:
                execute(witness, "SELECT 1")
            except psycopg.OperationalError:
                break
            assert time.monotonic() < deadline
    while True:
        try:
            database.connect().close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def reached_again(database: Database, trail: Owned) -> Owned:
    return Owned(database.connect(), trail.kept, trail.sequence)


def test_bytes_changed_in_the_heap_are_found(crashing: Database) -> None:
    with owned(crashing) as trail:
        execute(trail.connection, "CHECKPOINT")  # so that the file has the rows, and no log brings them back
        ((folder, file, checksums),) = execute(
            trail.connection,
            "SELECT current_setting('data_directory'), pg_relation_filepath('key_audit_logs'),"
            " current_setting('data_checksums') = 'on'",
        ).fetchall()
        heap = Path(folder) / file
        content = heap.read_bytes()
        assert content.count(b"somebody") >= 1
        with heap.open("r+b") as opened:
            opened.write(content.replace(b"somebody", b"innocent"))
        crash(crashing)
    again = reached_again(crashing, trail)
    with closing(again.connection):
        if checksums:
            with pytest.raises(psycopg.errors.DataCorrupted, match="invalid page"):
                again.verified()
            execute(again.connection, "SET ignore_checksum_failure = on")
        assert f"(sequence {trail.sequence}) is not what was sealed" in again.verified()
        assert again.codes("data") == set(), "what entries say is for verify to find"


def test_a_table_that_a_crash_emptied_is_found(crashing: Database) -> None:
    with owned(crashing) as trail:
        execute(trail.connection, "ALTER TABLE key_audit_logs SET UNLOGGED")
        assert trail.codes() == {"KMS304"}
        crash(crashing)
    again = reached_again(crashing, trail)
    with closing(again.connection):
        assert execute(again.connection, "SELECT count(*) FROM key_audit_logs").fetchone() == (0,)
        assert f"sequence {trail.sequence} was sealed and is gone" in again.verified()
        assert again.codes("data") == {"KMS304", "KMS513", "KMS516"}
