"""A probe that is killed in the middle, or whose server process is, leaves nothing: no row, no object, no lock."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from kms_schema import validate
from support.catalog import catalog, differences
from support.engines import Database
from support.programs import python
from support.reports import found
from support.rows.population import all_rows, populate
from support.statements import execute
from tests.migrations.interruption.sessions import await_silence

PROGRAM = """
import sys, time
from kms_schema.cli import run
from kms_schema.validator.probe import postgresql, sqlite

kind = sqlite.SqliteSession if sys.argv[1].startswith("sqlite") else postgresql.PostgresqlSession
original, left = kind.run, int(sys.argv[2])

def stopping(session, statement):
    global left
    refusal = original(session, statement)
    left -= 1
    if left == 0:
        print("in the middle", flush=True)
        time.sleep(60)
    return refusal

kind.run = stopping
sys.exit(run(["validate", "--probe", "--database-url", sys.argv[1]]))
"""
STATEMENTS = [pytest.param(2, marks=pytest.mark.full), 40, pytest.param(700, marks=pytest.mark.full), 1500]
"""After how many statements of the probe it is stopped: some write, some are refused, some make temporary objects."""


@contextmanager
def stopped_after(database: Database, statements: int) -> Iterator[subprocess.Popen[str]]:
    """Start a probe that stands still in the middle of its transaction, and see that it ends."""
    arguments = [sys.executable, "-c", PROGRAM, database.url, str(statements)]
    with python.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "in the middle\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("statements", STATEMENTS)
def test_a_killed_probe_leaves_nothing(database: Database, statements: int) -> None:
    with closing(database.connect()) as connection:
        populate(connection)
        before = catalog(connection), all_rows(connection)
    with stopped_after(database, statements) as process:
        process.send_signal(signal.SIGKILL)
    await_silence(database)
    with closing(database.connect()) as connection:
        after = catalog(connection), all_rows(connection)
        assert differences(before[0], after[0]) == {}
        assert after[1] == before[1]
        if isinstance(connection, sqlite3.Connection):
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        else:
            execute(connection, "SET lock_timeout = '5s'")
        populate(connection)  # a lock that is left would hold it up
        assert found(validate(connection)) == []


@pytest.mark.only_on("postgresql")
def test_a_probe_whose_server_process_ends_says_so_and_leaves_nothing(database: Database) -> None:
    with closing(database.connect()) as connection:
        populate(connection)
        before = catalog(connection), all_rows(connection)
        program = PROGRAM.replace("time.sleep(60)", "sys.stdin.readline()")
        with python.Popen(
            [sys.executable, "-c", program, database.url, "700"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "in the middle\n"
            ended = execute(
                connection,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'kms-schema validate'",
            ).fetchall()
            assert ended == [(True,)]
            _, said = process.communicate("\n", timeout=30)
        assert process.returncode == 3
        assert "Traceback" not in said
        assert said.splitlines()[-1].startswith("Error: ")
        assert (catalog(connection), all_rows(connection)) == before


@pytest.mark.only_on("postgresql")
def test_a_probe_that_stands_still_is_ended_by_the_server(database: Database) -> None:
    with closing(database.connect()) as connection, stopped_after(database, 700):
        assert isinstance(connection, psycopg.Connection)
        limit = execute(
            connection,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'kms-schema validate' AND state LIKE 'idle in transaction%'",
        ).fetchone()
        assert limit == (1,)
        await_silence_of_the_probe(connection)


def await_silence_of_the_probe(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Wait for as long as a probe may stand still, and a little."""
    execute(
        connection,
        """DO $$ DECLARE until timestamptz := clock_timestamp() + interval '15 seconds'; BEGIN
        WHILE EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                      AND application_name = 'kms-schema validate') LOOP
            IF clock_timestamp() > until THEN RAISE EXCEPTION 'it is still there'; END IF;
            PERFORM pg_sleep(0.1), pg_stat_clear_snapshot();
        END LOOP; END $$""",
    )
