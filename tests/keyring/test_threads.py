"""Threads of a ring, which begin again where the system had none, and rings beside threads of an application."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.engine import create_engine
from kms_schema.keyring import DatabaseUnavailableError, KeyRing
from kms_schema.keyring.use.audit_entries import Uses
from kms_schema.keyring.waiting import notices
from kms_schema.keyring.waiting.notices import InThread, Stop
from support.engines import Database
from tests.keyring.rings import AAD, DATA, ring_of, table, used


@pytest.mark.parametrize("lacks", ["thread", "socket"])
def test_a_thread_that_could_not_start_begins_later(lacks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = threading.Event()

    def work(stop: Stop) -> None:
        ran.set()
        stop.wait()

    def refuse(*_: object) -> None:
        raise {"thread": RuntimeError("can't start new thread"), "socket": OSError(24, "Too many open files")}[lacks]

    listener = InThread(work, "a test")
    with monkeypatch.context() as patch:
        target = (threading.Thread, "start") if lacks == "thread" else (notices.socket, "socketpair")
        patch.setattr(*target, refuse)
        failed = None
        try:
            listener.begin()
        except OSError as error:
            failed = error
        assert failed is None
    listener.begin()
    assert ran.wait(10)
    listener.close()


def test_an_error_of_a_hook_does_not_end_the_entries_of_each_hour(
    database: Database, roots: RootKeys, orders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("503")

    with KeyRing(database.engine(), roots) as ring:
        ring.key(orders).encrypt(DATA, aad=AAD)
        uses = ring._parts.versions.uses
        (tally,) = uses._tallies.values()
        with monkeypatch.context() as patch:
            patch.setattr(Uses, "_write", fail)
            tally.encrypted(1)
            tally.due = 0
            failed = None
            try:
                uses._write_hourly()
            except LookupError as error:
                failed = error
            assert failed is None
        assert tally.due > time.monotonic()


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("event", ["begin", "commit", "rollback", "handle_error"])
def test_rings_are_made_and_closed_while_other_threads_use_the_engine(
    database: Database, roots: RootKeys, orders: str, event: str
) -> None:
    """Here one does so amid the events of a transaction, where SQLAlchemy goes through its listeners."""
    engine, options = create_engine(database.url), create_engine(database.url).execution_options()

    def make_one(_: object) -> None:
        for each in (engine, options):
            KeyRing(each, roots).close()

    sa.event.listen(engine, event, make_one)
    with KeyRing(engine, roots) as ring:
        ended: object = None
        try:
            with engine.begin() as connection:
                ring.key(orders).encrypt(DATA, aad=AAD)
                connection.execute(sa.text("SELECT * FROM no_such_table"))
        except Exception as error:  # noqa: BLE001  (any other one is the failure)
            ended = error
        assert isinstance(ended, sa.exc.OperationalError), ended
        with engine.begin():  # this one is committed
            ring.key(orders).encrypt(DATA, aad=AAD)
    engine.dispose()


@pytest.mark.only_on("sqlite")
def test_a_session_that_passes_to_another_thread_does_not_wait_for_itself(
    database: Database, roots: RootKeys, orders: str
) -> None:
    """As where a framework runs the dependencies and the endpoint of a request in threads of a pool."""
    engine = database.engine()
    with ring_of(engine, roots) as ring, engine.connect() as connection:
        notes = table(connection)
        connection.commit()

        def write() -> float:
            began = time.monotonic()
            connection.execute(notes.insert().values(note="written"))
            ring.key(orders).encrypt(DATA, aad=AAD)
            return time.monotonic() - began

        for _ in range(2):
            with ThreadPoolExecutor(1) as thread:
                try:
                    assert thread.submit(write).result() < 20
                except DatabaseUnavailableError as error:
                    pytest.fail(str(error))
        connection.rollback()
        assert used(database, orders) == 3  # blocks of 1 and 2


@pytest.mark.only_on("sqlite")
def test_a_thread_waits_for_a_transaction_that_goes_on_in_another_thread(
    database: Database, roots: RootKeys, orders: str
) -> None:
    with database.engine().begin() as connection:
        notes = table(connection)
    with ring_of(database.engine(), roots) as ring, create_engine(database.url).connect() as connection:
        connection.execute(sa.select(notes)).all()  # this thread took the connection, and another one goes on with it

        def write_and_commit() -> None:
            connection.execute(notes.insert().values(note="written"))
            written.set()
            time.sleep(2)
            connection.commit()

        written = threading.Event()
        other = threading.Thread(target=write_and_commit)
        other.start()
        written.wait(10)
        try:
            ring.key(orders).encrypt(DATA, aad=AAD)
        except DatabaseUnavailableError as error:
            pytest.fail(str(error))
        finally:
            other.join()


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("other", ["an engine that has written", "an engine that has the lock", "raw_connection"])
def test_a_thread_does_not_wait_half_a_minute_for_another_connection_of_its_own(
    database: Database, roots: RootKeys, orders: str, other: str
) -> None:
    options = {"kms_sqlite_begin": "BEGIN IMMEDIATE"} if other.endswith("the lock") else {}
    another = create_engine(database.url, execution_options=options)
    with database.engine().begin() as connection:
        notes = table(connection)
    insert = notes.insert().values(note="written")
    with ring_of(database.engine(), roots) as ring:
        began = time.monotonic()
        if other == "raw_connection":
            raw = another.raw_connection()
            raw.cursor().execute("BEGIN")
            raw.cursor().execute(f'INSERT INTO "{notes.name}" (note) VALUES (1)')  # noqa: S608
            with pytest.raises(DatabaseUnavailableError, match="database is locked by this thread"):
                ring.key(orders).encrypt(DATA, aad=AAD)
            raw.commit()
            raw.close()
        else:
            with another.begin() as connection:
                connection.execute(insert if "written" in other else sa.select(notes))
                for use in (lambda: ring.key(orders).encrypt(DATA, aad=AAD), lambda: ring.rotate(orders)):
                    with pytest.raises(DatabaseUnavailableError, match="database is locked by this thread"):
                        use()
        assert time.monotonic() - began < 10  # SQLite waits for 30 seconds
        with create_engine(database.url).connect() as connection:
            connection.execute(insert)
            connection.commit()
            connection.execute(sa.select(notes)).all()
            ring.key(orders).encrypt(DATA, aad=AAD)  # this transaction has only read
    assert used(database, orders) == 1
