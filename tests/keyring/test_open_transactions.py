"""The ring beside transactions of the application: connections of its own, and on SQLite counts in the open one."""

import gc
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.engine import create_engine
from kms_schema.keyring import DatabaseUnavailableError, KeyRing
from support.engines import Database
from support.rows.smallest import unique
from support.statements import execute
from tests.keyring.rings import AAD, DATA, USED, another_writes, change, entries, ring_of, table, unreachable, used


def test_a_pool_of_one_that_is_in_use(database: Database, roots: RootKeys, orders: str) -> None:
    engine = create_engine(database.url, pool_size=1, max_overflow=0, pool_timeout=1, poolclass=sa.QueuePool)
    with ring_of(engine, roots) as ring, engine.begin() as connection:
        notes = table(connection)
        connection.execute(notes.insert().values(note="before"))  # it has the write lock of the file
        blob = ring.key(orders).encrypt(DATA, aad=AAD)
        connection.execute(notes.insert().values(note="after"))
        assert ring.key(orders).decrypt(blob, aad=AAD) == DATA
    assert used(database, orders) == 1


def test_a_rollback_takes_no_count_and_no_entry(database: Database, roots: RootKeys, orders: str) -> None:
    engine = database.engine()
    with ring_of(engine, roots) as ring:
        with engine.connect() as connection:
            table(connection)
            for _ in range(3):
                ring.key(orders).encrypt(DATA, aad=AAD)
            connection.rollback()
        assert used(database, orders) == 3
        assert len(entries(database, "KEY_USED", orders)) == 1
        with engine.connect() as connection:
            table(connection)
            ring.key(orders).encrypt(DATA, aad=AAD)  # closing it without a COMMIT is a rollback
        assert used(database, orders) == (4 if database.dialect == "sqlite" else 7)


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("ending", ["in another thread", "by the garbage collector"])
def test_a_rollback_that_the_thread_does_not_call(
    database: Database, roots: RootKeys, orders: str, ending: str
) -> None:
    engine = database.engine()
    with ring_of(engine, roots) as ring, ThreadPoolExecutor(1) as pool:
        connection = engine.connect()
        table(connection)
        for _ in range(2):
            ring.key(orders).encrypt(DATA, aad=AAD)
        if ending == "in another thread":
            pool.submit(connection.rollback).result()
            connection.close()
        else:
            del connection
            gc.collect()
        ring.key(orders).encrypt(DATA, aad=AAD)
    assert used(database, orders) == 4  # blocks of 1 and 2, and then one of 1


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("use", ["alone", "in a transaction", "in one that is rolled back", "none"])
def test_a_count_that_cannot_be_repeated_at_once_is_repeated_before_the_next(
    database: Database, roots: RootKeys, orders: str, use: str
) -> None:
    engine = create_engine(database.url, poolclass=sa.NullPool)  # the ring opens a connection for it
    with ring_of(engine, roots) as ring:
        with engine.connect() as connection:
            table(connection)
            for _ in range(3):
                ring.key(orders).encrypt(DATA, aad=AAD)
            connection.exec_driver_sql("RELEASE kms_schema_start")  # else nothing is to be repeated
            with unreachable(database):
                connection.rollback()
        assert used(database, orders) == 0
        if use == "alone":
            ring.key(orders).encrypt(DATA, aad=AAD)
        elif use == "none":
            ring._parts.versions.uses._tallies.clear()  # as where each use has an entry: no entry is left to write
        else:
            with engine.connect() as connection:
                table(connection)
                ring.key(orders).encrypt(DATA, aad=AAD)
                assert connection.scalar(sa.text(USED), {"key": orders}) == 4, "a limit would be exceeded"
                connection.commit() if use == "in a transaction" else connection.rollback()
        assert used(database, orders) == (0 if use == "none" else 4)
    assert used(database, orders) == (3 if use == "none" else 4)


def test_the_rollback_of_a_savepoint_takes_no_count(database: Database, roots: RootKeys, orders: str) -> None:
    engine = database.engine()
    with ring_of(engine, roots) as ring:
        for ends_with_commit in (True, False):
            before = used(database, orders)
            with engine.connect() as connection:
                notes = table(connection)
                ring.key(orders).encrypt(DATA, aad=AAD)
                savepoint = connection.begin_nested()
                connection.execute(notes.insert().values(note="lost"))
                for _ in range(4):
                    ring.key(orders).encrypt(DATA, aad=AAD)
                savepoint.rollback()
                ring.key(orders).encrypt(DATA, aad=AAD)
                if ends_with_commit:
                    connection.commit()
            assert before + 6 <= used(database, orders) <= before + 8


@pytest.mark.only_on("sqlite")
def test_a_thread_with_the_write_lock_waits_for_no_thread_that_waits_for_it(
    database: Database, roots: RootKeys, orders: str
) -> None:
    engine = database.engine()
    with ring_of(engine, roots) as ring, ThreadPoolExecutor(2) as pool:
        ring.key(orders).encrypt(DATA, aad=AAD)  # the next use has to reserve
        with engine.begin() as connection:
            table(connection)
            others = [pool.submit(ring.key(orders).encrypt, DATA, aad=AAD) for _ in range(2)]
            time.sleep(0.2)
            began = time.monotonic()
            ring.key(orders).encrypt(DATA, aad=AAD)
            took = time.monotonic() - began
            assert not any(each.done() for each in others)
        for each in others:
            assert ring.key(orders).decrypt(each.result(timeout=20), aad=AAD) == DATA
    assert took < 5  # they wait for 30 seconds
    assert used(database, orders) >= 4


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("other", ["has read", "has begun", "has lost its counts"])
def test_a_thread_with_two_transactions_does_not_wait_for_itself(
    database: Database, roots: RootKeys, orders: str, other: str
) -> None:
    engine = database.engine()
    with ring_of(engine, roots) as ring, engine.connect() as first, engine.connect() as last:
        notes = table(first)
        first.commit()
        began = time.monotonic()
        if other == "has lost its counts":
            last.execute(notes.insert().values(note="lost"))
            ring.key(orders).encrypt(DATA, aad=AAD)
            last.exec_driver_sql("ROLLBACK")
            last.exec_driver_sql("BEGIN")
        first.execute(notes.insert().values(note="kept"))
        if other == "has read":
            last.execute(sa.select(notes))
        elif other == "has begun":
            last.exec_driver_sql("SELECT 1")
        else:
            last.rollback()
        try:
            ring.key(orders).encrypt(DATA, aad=AAD)
        except DatabaseUnavailableError as error:
            pytest.fail(str(error))
        first.rollback()
        last.rollback()
        assert used(database, orders) == (2 if other == "has lost its counts" else 1)
        assert time.monotonic() - began < 20  # a statement waits for 30 seconds


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("others", ["have written", "are writing"])
def test_a_transaction_that_has_read_decrypts_while_others_write(
    database: Database, roots: RootKeys, orders: str, others: str
) -> None:
    """The first use of a version is an entry in the audit log, which this transaction cannot write."""
    engine = database.engine()
    with ring_of(database.engine(), roots) as first:
        blob = first.key(orders).encrypt(DATA, aad=AAD)
    with ring_of(engine, roots) as ring, engine.connect() as connection:
        connection.execute(sa.text("SELECT count(*) FROM key_masters"))
        with another_writes(database) as other:
            if others == "have written":
                other.join()
            with suppress(DatabaseUnavailableError):
                ring.key(orders).decrypt(blob, aad=AAD)
    assert [each["decryptions"] for each in entries(database, "KEY_USED", orders)] == [0, 0, 0, 1]


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE"])
def test_transactions_that_read_first_wait_for_each_other(
    database: Database, roots: RootKeys, orders: str, begin: str
) -> None:
    engine = database.engine().execution_options(kms_sqlite_begin=begin)
    with ring_of(engine, roots) as ring, engine.connect() as connection:
        notes = table(connection)
        connection.commit()
        connection.execute(sa.select(notes))
        written = notes.insert().values(note="seen")
        with closing(database.connect()) as other:
            execute(other, "PRAGMA busy_timeout = 0")
            if begin == "BEGIN IMMEDIATE":
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    execute(other, "UPDATE key_masters SET status_reason = 'another'")
                ring.key(orders).encrypt(DATA, aad=AAD)
                connection.execute(written)
            else:
                execute(other, "UPDATE key_masters SET status_reason = 'another'")
                with pytest.raises(sa.exc.OperationalError, match="locked"):
                    connection.execute(written)
        connection.commit()


@pytest.mark.only_on("sqlite")
def test_no_change_of_a_key_within_a_transaction_of_the_thread(
    database: Database, roots: RootKeys, orders: str
) -> None:
    """It would wait for the write lock that the thread itself has."""
    engine = database.engine()
    with ring_of(engine, roots) as ring:
        with engine.begin() as connection:
            table(connection)
            with pytest.raises(DatabaseUnavailableError, match="transaction open"):
                ring.rotate(orders)
        assert ring.rotate(orders).version == 2


@pytest.mark.only_on("sqlite")
def test_a_database_in_memory(database: Database, roots: RootKeys, orders: str) -> None:
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    with closing(database.connect()) as source:
        assert isinstance(source, sqlite3.Connection)
        source.backup(memory)
    engine = create_engine("sqlite://", creator=lambda: memory, poolclass=sa.StaticPool)
    with KeyRing(engine, roots) as ring:
        blob = ring.key(orders).encrypt(DATA, aad=AAD)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE notes (note)"))
            assert ring.key(orders).decrypt(ring.key(orders).encrypt(DATA, aad=AAD), aad=AAD) == DATA
        assert ring.key(orders).decrypt(blob, aad=AAD) == DATA
        ring.rotate(orders)
        assert memory.execute("SELECT max(usage_count) FROM key_versions").fetchone()[0] >= 2
    memory.close()


@pytest.mark.only_on("sqlite")
def test_a_ring_that_is_made_within_a_transaction_counts_in_it(
    database: Database, roots: RootKeys, orders: str
) -> None:
    """On a connection of its own it would wait for the write lock, which this thread has."""
    engine = create_engine(database.url, connect_args={"timeout": 1})
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE key_masters SET status_reason = status_reason")  # writes
        with ring_of(engine, roots) as ring:
            assert ring._parts.storage.joined is connection
            begun = time.monotonic()
            ring.key(orders).encrypt(DATA, aad=AAD)
            with ring_of(create_engine(database.url), roots) as other, engine.connect() as second:
                assert (other._parts.storage.joined, ring._parts.storage.joined) == (None, connection)
                second.begin()
                assert KeyRing(engine, roots)._parts.storage.joined is second
            assert time.monotonic() - begun < 10, "it has waited for itself"
            connection.commit()
    assert used(database, orders) == 1


@pytest.mark.only_on("sqlite")
def test_a_transaction_that_ends_by_itself_takes_no_count(database: Database, roots: RootKeys, orders: str) -> None:
    engine, name = database.engine(), unique("notes").replace("-", "_")
    with ring_of(engine, roots) as ring:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, note INTEGER UNIQUE ON CONFLICT ROLLBACK,"
                f" above INTEGER REFERENCES {name} (id) DEFERRABLE INITIALLY DEFERRED)"
            )
        insert = f"INSERT INTO {name} VALUES (?, ?, ?)"  # noqa: S608
        with engine.connect() as connection:
            connection.exec_driver_sql(insert, (1, 1, 99))
            ring.key(orders).encrypt(DATA, aad=AAD)
            ring.key(orders).encrypt(DATA, aad=AAD)
            with pytest.raises(sa.exc.IntegrityError, match="FOREIGN KEY"):
                connection.commit()
            assert used(database, orders) == 3  # added again at once, and no lock is left
            change(database, "UPDATE key_masters SET status_reason = 'another'")
            connection.rollback()
            connection.exec_driver_sql(insert, (1, 1, 99))
            with pytest.raises(sa.exc.IntegrityError, match="FOREIGN KEY"):
                connection.commit()  # nothing of the ring is in it
            change(database, "UPDATE key_masters SET status_reason = 'a third'")
        ring.key(orders).encrypt(DATA, aad=AAD)
        with engine.connect() as connection:
            connection.exec_driver_sql(insert, (1, 1, None))
            for _ in range(20):
                ring.key(orders).encrypt(DATA, aad=AAD)
            with pytest.raises(sa.exc.IntegrityError, match="UNIQUE"):
                connection.exec_driver_sql(insert, (2, 1, None))
            connection.commit()
        assert used(database, orders) >= 23
