"""Sealing ends before or after each of its statements: nothing is lost, and nothing is sealed twice."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import product

import psycopg
import pytest

from support.engines import Database
from support.statements import execute
from tests.audit.sealers import plain, seal_on_postgresql, seal_on_sqlite, start
from tests.audit.trails import is_whole, seal_all, sealed_sequences
from tests.migrations.interruption.sessions import await_silence
from tests.migrations.interruption.wire import Moment, Wire

SECONDS = 30
SHARE = {"killed": 2, "terminated": 4, "lost": 4}
"""Without --full it ends at one in so many moments, counted back from the last, which is after COMMIT."""
ENTRIES = 256
"""So many at a time that each seal completes a subtree, too."""
WRITE = """WITH RECURSIVE counted (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < 256)
INSERT INTO key_audit_logs (event_type, event_category, event_description)
SELECT 'TEST', 'LIFECYCLE', 'x' FROM counted"""
STATEMENTS = [
    "BEGIN", "SELECT set_config('row_security'", "SELECT 'pg_catalog.pg_attribute'", "SELECT (SELECT tableoid",
    "SELECT to_regclass", "SELECT \"public\".lock_key_audit_seals",
    "SELECT seal_number", "SELECT seal_number", "SELECT seal_number", "SELECT int8in(xid8out(pg_snapshot_xmin", "COPY",
    "SELECT int8in(xid8out(pg_current_xact_id", "SELECT to_char",
    "INSERT INTO \"public\".key_audit_seals", "INSERT INTO \"public\".key_audit_leaves",
    "INSERT INTO \"public\".key_audit_subtrees", "COMMIT",
]  # fmt: skip
"""How the statements of a seal begin, on PostgreSQL."""


def attempted(database: Database) -> tuple[int, int]:
    """Return how many entries are in seals, and how many seals there are."""
    with closing(database.connect()) as connection:
        (seals,) = execute(connection, "SELECT count(*) FROM key_audit_seals").fetchone()
        return len(sealed_sequences(connection)), seals


def write_and_seal(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, WRITE)
        seal_all(connection)


def moments(url: str) -> Iterator[tuple[Wire, Moment, str]]:
    """Yield what a sealing process says, and let it go on."""
    with Wire(url) as wire:
        process = start(seal_on_postgresql, plain(wire.url))
        try:
            for moment, statement in wire.statements():
                yield wire, moment, statement
        finally:
            process.kill()
            process.join(SECONDS)


@pytest.mark.only_on("postgresql")
def test_the_statements_of_a_seal_are_these(database: Database) -> None:
    write_and_seal(database)
    with closing(database.connect()) as connection:
        execute(connection, WRITE)
    said = [statement for _, moment, statement in moments(database.url) if moment is Moment.EXECUTED]
    assert [begun for statement, begun in zip(said, STATEMENTS, strict=True) if not statement.startswith(begun)] == []


def killed(database: Database, at: int, moment: Moment) -> None:
    """`kill -9` the client at a statement; what it has sent goes on at the server."""
    seen = -1
    with Wire(database.url) as wire:
        process = start(seal_on_postgresql, plain(wire.url))
        for now, _ in wire.statements():
            seen += now is Moment.SENT
            if (seen, now) == (at, moment):
                process.kill()
                process.join(SECONDS)
                assert process.exitcode == -signal.SIGKILL
                break
    assert seen == at


def terminated(database: Database, at: int, moment: Moment) -> None:
    """End the server's process."""
    ended_for_the_client(database, at, moment, backend=True)


def lost(database: Database, at: int, moment: Moment) -> None:
    """Cut the connection between both."""
    ended_for_the_client(database, at, moment, backend=False)


def ended_for_the_client(database: Database, at: int, moment: Moment, *, backend: bool) -> None:
    errors: list[Exception] = []

    def client(conninfo: str) -> None:
        try:
            seal_on_postgresql(conninfo)
        except psycopg.Error as error:
            errors.append(error)

    seen = -1
    with Wire(database.url) as wire:
        thread = threading.Thread(target=client, args=(plain(wire.url),))
        thread.start()
        for now, _ in wire.statements():
            seen += now is Moment.SENT
            if (seen, now) == (at, moment):
                if backend:
                    with closing(database.connect()) as other:
                        execute(other, f"SELECT pg_terminate_backend({wire.backend_pid})")
                break
    thread.join(SECONDS)
    assert not thread.is_alive()
    assert [isinstance(error, psycopg.OperationalError) for error in errors] == [True]


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("end", [killed, terminated, lost])
def test_sealing_that_ends_at_any_statement(
    database: Database, end: Callable[[Database, int, Moment], None], pytestconfig: pytest.Config
) -> None:
    write_and_seal(database)
    commit = len(STATEMENTS) - 1
    ends = list(product(range(len(STATEMENTS)), (Moment.SENT, Moment.EXECUTED)))
    if not pytestconfig.getoption("--full"):
        ends = ends[:: -SHARE[end.__name__]]
    for at, moment in ends:
        before = attempted(database)
        with closing(database.connect()) as connection:
            execute(connection, WRITE)
        end(database, at, moment)
        await_silence(database)
        whole = (at, moment) == (commit, Moment.EXECUTED)
        assert attempted(database) == ((before[0] + ENTRIES, before[1] + 1) if whole else before), STATEMENTS[at]
        with closing(database.connect()) as connection:
            assert len(seal_all(connection)) == (0 if whole else 1)
    assert is_whole(database).seals == 1 + len(ends)


@pytest.mark.only_on("sqlite")
def test_sealing_that_is_killed_before_any_statement(database: Database) -> None:
    write_and_seal(database)
    at, left = 0, True
    while left:
        before = attempted(database)
        with closing(database.connect()) as connection:
            execute(connection, WRITE)
        process = start(seal_on_sqlite, database.name, at)
        process.join(SECONDS)
        left = process.exitcode == -signal.SIGKILL
        assert left or process.exitcode == 0
        assert attempted(database) == (before if left else (before[0] + ENTRIES, before[1] + 1))
        with closing(database.connect()) as connection:
            assert len(seal_all(connection)) == (1 if left else 0)
        at += 1
    assert at > len(STATEMENTS)
    assert is_whole(database).seals == at + 1
