"""The server ends the session before each statement in turn, or somebody holds what is read: status 3, and why."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from kms_schema import validate
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs import python
from support.programs.commands import kms_schema
from support.reports import found, run

Act = Callable[[psycopg.Cursor[Any], int], None]

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]


@contextmanager
def before_each_statement(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[psycopg.Cursor[Any], int], None]
) -> Iterator[None]:
    """Call `act` with a cursor of psycopg and the number of its statement, before that goes to the server."""
    execute = psycopg.Cursor.execute
    number = 0

    def counted(cursor: psycopg.Cursor[Any], *arguments: Any, **options: Any) -> Any:
        nonlocal number
        number += 1
        act(cursor, number)
        return execute(cursor, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", counted)
        yield


@pytest.mark.versions("newest")
def test_a_session_that_is_ended_before_any_statement(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """ROLLBACK, the last one, included."""
    options = ("--level", "data", "--strict")
    numbers: list[int] = []
    with before_each_statement(monkeypatch, lambda _, number: numbers.append(number)):
        assert kms_schema("validate", *options, url=database.url).status == 0
    # The rows are asked in some two hundred statements, alike for this.
    chosen = [number for number in numbers if number < 10 or number % 25 == 0 or number > len(numbers) - 3]
    for at in chosen:
        with before_each_statement(monkeypatch, ending(at, database)):
            said = kms_schema("validate", *options, url=database.url)
        assert said.status == 3, f"ended before statement {at}: {said.all}"
        assert said.out == ""
        assert "run this again" in said.error


def ending(at: int, database: Database) -> Act:
    """Return what ends a session before its statement `at`, and waits until it has gone."""
    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %s"

    def act(cursor: psycopg.Cursor[Any], number: int) -> None:
        if number != at:
            return
        pid = cursor.connection.info.backend_pid
        with closing(database.connect()) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (pid,))
            deadline = time.monotonic() + 30
            while other.execute(gone, (pid,)).fetchone() != (True,):
                assert time.monotonic() < deadline
                time.sleep(0.01)

    return act


def test_a_role_that_may_not_read_the_catalog(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        role = f"{connection.info.dbname}_nobody"
        run(connection, f"CREATE ROLE {role}")
        run(connection, "REVOKE SELECT ON pg_catalog.pg_constraint FROM PUBLIC")
        try:
            run(connection, f"SET ROLE {role}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="pg_constraint"):
                validate(connection)
            assert connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            run(connection, f"RESET ROLE; DROP ROLE {role}; GRANT SELECT ON pg_catalog.pg_constraint TO PUBLIC")
        assert found(validate(connection)) == []


def test_a_closed_connection_is_reported(database: Database) -> None:
    connection = database.connect()
    connection.close()
    with pytest.raises(psycopg.OperationalError, match="closed"):
        validate(connection)


def test_an_interruption_exits_130(database: Database) -> None:
    program = [sys.executable, "-m", "kms_schema", "validate", "--database-url", database.url]
    with closing(database.connect()) as connection:
        connection.execute("BEGIN; LOCK TABLE key_masters IN ACCESS EXCLUSIVE MODE")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'key_masters'::regclass"
        with python.Popen(
            program, cwd=REPOSITORY, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            while connection.execute(waiting).fetchone() == (0,) and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, ""), err
    assert "Traceback" not in err
