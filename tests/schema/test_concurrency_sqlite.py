"""The races once more on SQLite: two connections to one file, one writer at a time."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from support.concurrency.pairs import PAIRS, Pair
from support.concurrency.serial_results import comparable, run_in_order
from support.concurrency.statements import Statement
from support.engines import Database
from support.random_operations.invariants import forbidden_states
from support.rows.table_dump import dump_tables
from support.statements import execute

pytestmark = pytest.mark.only_on("sqlite")


def connect(database: Database, patience_ms: int) -> sqlite3.Connection:
    """Connect, to wait for another writer as long as that; threads may share the connection."""
    url = database.url.removeprefix("sqlite:///")
    connection = sqlite3.connect(url, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
    return connection


def make(connection: sqlite3.Connection, statement: Statement) -> bool:
    """Run a statement in an open transaction and commit it; return True if no rule refused it."""
    try:
        execute(connection, statement.sql, statement.parameters)
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK")
        return False
    connection.execute("COMMIT")
    return True


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_second_writer_gets_busy_and_then_sees_the_result_of_the_first(
    database: Database, pair: Pair, first: int
) -> None:
    with closing(connect(database, 0)) as earlier, closing(connect(database, 0)) as later:
        statements = pair.make(earlier)
        order = (statements[first], statements[1 - first])
        serial = run_in_order(earlier, order)
        for connection in (earlier, later):
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM key_masters").fetchone()  # the snapshot
        execute(earlier, order[0].sql, order[0].parameters)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            execute(later, order[1].sql, order[1].parameters)
        earlier.execute("COMMIT")
        with pytest.raises(sqlite3.OperationalError, match="locked"):  # its snapshot is of before
            execute(later, order[1].sql, order[1].parameters)
        later.execute("ROLLBACK")
        later.execute("BEGIN")
        assert make(later, order[1]) == (not serial.refused)
        dump = dump_tables(later)
    assert comparable(dump) == serial.dump
    assert forbidden_states(dump) == []


@pytest.mark.parametrize("first", [0, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_second_writer_that_waits_sees_the_result_of_the_first(database: Database, pair: Pair, first: int) -> None:
    with closing(connect(database, 0)) as earlier, closing(connect(database, 10_000)) as later:
        statements = pair.make(earlier)
        order = (statements[first], statements[1 - first])
        serial = run_in_order(earlier, order)
        earlier.execute("BEGIN IMMEDIATE")
        execute(earlier, order[0].sql, order[0].parameters)
        with ThreadPoolExecutor(max_workers=1) as aside:
            waiting = aside.submit(lambda: (later.execute("BEGIN IMMEDIATE"), make(later, order[1]))[1])
            assert not waiting.done()
            earlier.execute("COMMIT")
            assert waiting.result(timeout=20) == (not serial.refused)
        dump = dump_tables(later)
    assert comparable(dump) == serial.dump
    assert forbidden_states(dump) == []
