"""Forks of a process that uses SQLite: nothing of the parent's is open in the child, and no lock is held there."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.database.forks import REFUSAL
from kms_schema.engine import create_engine
from kms_schema.keyring import AsyncKeyRing, KeyRing
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.processes import child
from tests.keyring.rings import AAD, DATA, async_engine

pytestmark = pytest.mark.only_on("sqlite")

AT_ONCE, AT_LAST = 5, 30
"""Seconds: less than SQLite waits for a lock, and what no child takes."""


def answered(work: Callable[[], object]) -> Callable[[Callable[[bytes], int]], None]:
    """Have a child write what `work` returns, or the message of its error."""

    def answer(write: Callable[[bytes], int]) -> None:
        try:
            write(str(work()).encode())
        except Exception as error:  # noqa: BLE001  (any is the answer)
            write(str(error).encode())

    return answer


@pytest.fixture
def engine(database: Database) -> Iterator[sa.Engine]:
    made = create_engine(database.url)
    yield made
    made.dispose()


@pytest.fixture
def notes(engine: sa.Engine) -> sa.Table:
    """A table of the application's, with one row."""
    table = sa.Table(unique("notes"), sa.MetaData(), sa.Column("note", sa.Integer))
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert().values(note=0))
    return table


def test_a_child_of_an_open_transaction_is_refused_at_once(
    database: Database, engine: sa.Engine, notes: sa.Table, roots: RootKeys, orders: str
) -> None:
    """It would wait for the write lock that the memory of its parent says is held, and nobody would release it."""

    def count() -> int:
        with create_engine(database.url).begin() as connection:
            connection.execute(notes.insert().values(note=1))
            found: int = connection.execute(sa.select(sa.func.count()).select_from(notes)).scalar_one()
            return found

    with KeyRing(engine, roots) as ring:
        ring.key(orders).encrypt(DATA, aad=AAD)

        def encrypt() -> bytes:
            return ring.key(orders).encrypt(DATA, aad=AAD)

        for statement in (notes.insert().values(note=1), sa.select(notes)):
            with engine.begin() as connection:
                connection.execute(statement)

                def commit(open_one: sa.Connection = connection) -> None:
                    open_one.execute(notes.insert().values(note=1))

                for work in (count, encrypt, commit):
                    assert REFUSAL in child(answered(work)).read_within(AT_ONCE).decode(), work
        assert child(answered(count)).read_within(AT_LAST) == b"3"
        assert len(child(answered(encrypt)).read_within(AT_LAST)) > len(DATA), "its parent's transaction has ended"


@pytest.mark.parametrize("made_with", ["creator", "factory", "StaticPool", "SingletonThreadPool"])
def test_a_child_of_a_connection_that_no_fork_closes_is_refused(
    database: Database, notes: sa.Table, made_with: str
) -> None:
    """Its commits would be lost when the parent closes the file."""

    class Connection(sqlite3.Connection):
        pass

    options: dict[str, Any] = {
        "creator": {"creator": partial(sqlite3.connect, database.name, check_same_thread=False)},
        "factory": {"connect_args": {"factory": Connection}},
        "StaticPool": {"poolclass": sa.StaticPool, "connect_args": {"factory": Connection}},
        "SingletonThreadPool": {"poolclass": sa.SingletonThreadPool, "connect_args": {"factory": Connection}},
    }[made_with]
    engine = create_engine(database.url, **options)

    def write() -> None:
        with engine.begin() as connection:
            connection.execute(notes.insert().values(note=2))

    with engine.begin() as connection:
        connection.execute(notes.insert().values(note=1))
        for work in (lambda: connection.execute(notes.insert().values(note=2)), connection.commit):
            assert REFUSAL in child(answered(work)).read_within(AT_ONCE).decode()
    for work in (write, engine.raw_connection):
        assert REFUSAL in child(answered(work)).read_within(AT_ONCE).decode()
    write()
    engine.dispose()


@pytest.mark.parametrize("beginning", ["file:", "file://", "file://localhost"])
def test_a_child_is_refused_a_file_of_its_parent_by_any_name(
    database: Database, engine: sa.Engine, notes: sa.Table, beginning: str
) -> None:
    def write() -> None:
        named = create_engine(f"sqlite:///{beginning}{database.name}?uri=true", connect_args={"timeout": 0})
        with named.begin() as connection:
            connection.execute(notes.insert().values(note=1))

    with engine.begin():
        assert REFUSAL in child(answered(write)).read_within(AT_ONCE).decode()


@pytest.mark.parametrize("statement", ["ATTACH ? AS parents", "attach database ? as parents", "in a hook"])
@pytest.mark.parametrize("connected_to", ["another file", "memory"])
def test_a_child_attaches_no_file_of_its_parent(
    database: Database, engine: sa.Engine, notes: sa.Table, connected_to: str, statement: str
) -> None:
    """It would wait for the lock of its parent as a connection to the file does."""
    url = "sqlite://" if connected_to == "memory" else f"{database.url}-other"
    own = create_engine(url, connect_args={"timeout": 0})

    def attach(connection: Any, _record: Any = None) -> None:
        connection.execute("ATTACH ? AS parents", (database.name,))

    if statement == "in a hook":
        sa.event.listen(own, "connect", attach)

    def write() -> None:
        with own.connect() as connection:
            if statement != "in a hook":
                connection.exec_driver_sql(statement, (database.name,))
            connection.exec_driver_sql(f'INSERT INTO parents."{notes.name}" (note) VALUES (1)')  # noqa: S608

    def go_on() -> list[str]:
        with own.connect() as connection:
            with pytest.raises(sa.exc.OperationalError, match="this process was forked"):
                connection.exec_driver_sql(statement, (database.name,))
            return [each.name for each in connection.exec_driver_sql("PRAGMA database_list")]

    with engine.begin() as connection:
        connection.execute(notes.insert().values(note=1))
        assert REFUSAL in child(answered(write)).read_within(AT_ONCE).decode()
        if statement != "in a hook":
            assert child(answered(go_on)).read_within(AT_ONCE) == b"['main']"
    assert child(answered(write)).read_within(AT_LAST) == b"None", "its parent has closed the file"


def test_a_child_keeps_what_it_commits_when_its_parent_ends(
    database: Database, engine: sa.Engine, notes: sa.Table
) -> None:
    """With locks that only the memory of the parent has, it would write into a log that the parent has removed."""
    reader, writer = os.pipe()

    def work() -> list[int]:
        with engine.connect() as connection:
            for note in (1, 2):
                connection.execute(notes.insert().values(note=note))
                connection.commit()
                os.read(reader, 1)
        return [1]

    with engine.connect() as connection:
        connection.execute(sa.select(notes)).all()
    begun = child(answered(work))
    deadline = time.monotonic() + AT_LAST
    while True:  # until it has committed the first one
        with engine.connect() as connection:
            if connection.execute(sa.select(sa.func.count()).select_from(notes)).scalar_one() == 2:
                break
        assert time.monotonic() < deadline
        time.sleep(0.01)
    engine.dispose()
    program = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone())"
    asked = sys.executable, "-c", program, database.name, f"SELECT sum(note) FROM '{notes.name}'"  # noqa: S608
    assert subprocess.run(asked, check=True, capture_output=True).stdout.split() == [b"1"], "it has the file open now"
    os.write(writer, b"..")
    assert begun.read_within(AT_LAST) == b"[1]"
    assert subprocess.run(asked, check=True, capture_output=True).stdout.split() == [b"3"]


@contextmanager
def four_threads(ring: KeyRing, orders: str, engine: sa.Engine, notes: sa.Table) -> Iterator[None]:
    """Use the ring and the database all the time."""
    is_over, failures = threading.Event(), list[BaseException]()

    def work() -> None:
        key = ring.key(orders)
        try:
            while not is_over.is_set():
                key.decrypt(key.encrypt(DATA, aad=AAD), aad=AAD)
                with engine.begin() as connection:
                    connection.execute(notes.insert().values(note=1))
        except BaseException as error:  # noqa: BLE001  (a thread's goes nowhere)
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert not failures


@pytest.mark.parametrize("children", [4, pytest.param(180, marks=pytest.mark.full)])
def test_no_child_of_a_busy_process_waits_for_a_lock(
    engine: sa.Engine, notes: sa.Table, roots: RootKeys, orders: str, children: int
) -> None:
    """Locks that other threads held would stay held: of SQLite, of the pools and of the ring."""
    with KeyRing(engine, roots) as ring, four_threads(ring, orders, engine, notes):

        def work() -> bool:
            with engine.begin() as connection:
                connection.execute(notes.insert().values(note=2))
            key = ring.key(orders)
            return key.decrypt(key.encrypt(DATA, aad=AAD), aad=AAD) == DATA

        for _ in range(children):
            assert child(answered(work)).read_within(AT_LAST) == b"True"


def test_idle_connections_of_an_event_loop_are_closed_too(database: Database, roots: RootKeys, orders: str) -> None:
    engine = async_engine(database)
    ring = AsyncKeyRing(engine, roots)

    def work() -> bytes:
        return asyncio.run(ring.key(orders).encrypt(DATA, aad=AAD))

    work()
    with suppress(UnicodeDecodeError):
        assert REFUSAL not in child(answered(work)).read_within(AT_LAST).decode()
    assert len(work()) > len(DATA)
    asyncio.run(ring.close())
