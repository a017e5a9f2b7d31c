"""What a rollback on SQLite takes is counted again, although no event says that there was one."""

import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyRing, UsageLimitError
from kms_schema.keyring.database.sqlite_transactions import OpenTransactions
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.rings import AAD, DATA, entries, ring_of, table, used

pytestmark = pytest.mark.only_on("sqlite")

_ENDS = """
import sys
from kms_schema.crypto import RootKeys
from kms_schema.engine import create_engine
from kms_schema.keyring import KeyRing

def work():
    engine = create_engine(sys.argv[1])
    ring = KeyRing(engine, RootKeys.from_files({"kms://root-2026": sys.argv[2]}))
    connection = engine.connect()
    connection.exec_driver_sql("CREATE TABLE ended (note)")
    print(len([ring.key(sys.argv[3]).encrypt(b"", aad=b"") for _ in range(7)]))
    return connection
"""
_AT_TOP = "connection = work()"
_ENDS_IN_ASYNCIO = """
import asyncio, sys
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from kms_schema.crypto import RootKeys
from kms_schema.engine import configure
from kms_schema.keyring import AsyncKeyRing

async def work():
    global connection
    engine = create_async_engine(sys.argv[1].replace("sqlite:", "sqlite+aiosqlite:"))
    configure(engine.sync_engine)
    ring = AsyncKeyRing(engine, RootKeys.from_files({"kms://root-2026": sys.argv[2]}))
    connection = await engine.connect()
    await connection.execute(sa.text("CREATE TABLE ended (note)"))
    print(len([await ring.key(sys.argv[3]).encrypt(b"", aad=b"") for _ in range(7)]))

asyncio.run(work())
"""


def driver_of(connection: sa.Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def test_the_ring_waits_for_the_disk(database: Database, roots: RootKeys, orders: str) -> None:
    """Whatever the application's engine says to its connections. A crash of the machine takes no count then."""
    engine = database.engine()
    sa.event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous = OFF"))
    with ring_of(engine, roots) as ring:
        ring.key(orders).encrypt(DATA, aad=AAD)
        levels = []
        for each in (ring._parts.storage.writers, engine):
            with each.connect() as connection:
                levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
    assert levels == [2, 0]


TEXTS = {
    "to a savepoint": ("ROLLBACK TO s", "commit"),
    "and another transaction": ("ROLLBACK; BEGIN", "commit"),
    "of all": ("ROLLBACK", "commit"),
    "by a conflict": ("INSERT OR ROLLBACK INTO key_masters SELECT * FROM key_masters LIMIT 1", "commit"),
    "after a COMMIT": ("COMMIT; BEGIN", "rollback"),
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("more", [0, 1])
def test_a_rollback_as_text_takes_no_count(
    *, database: Database, roots: RootKeys, orders: str, text: str, more: int
) -> None:
    """Of two rings that count in the transaction: one has used its key before the savepoint, one after it."""
    engine, (statements, ending) = database.engine(), TEXTS[text]
    with ring_of(engine, roots) as ring, KeyRing(engine, roots) as other, engine.connect() as connection:
        table(connection)
        for _ in range(3):
            other.key(orders).encrypt(DATA, aad=AAD)
        connection.exec_driver_sql("SAVEPOINT s")
        for _ in range(7):
            ring.key(orders).encrypt(DATA, aad=AAD)
        for each in statements.split(";"):
            with suppress(sqlite3.IntegrityError):
                driver_of(connection).execute(each)
        for each in [ring, other] * more:
            each.key(orders).encrypt(DATA, aad=AAD)
        getattr(connection, ending)()
        assert 10 + 2 * more <= used(database, orders) <= 10 + 16 * more


def test_a_connection_that_the_driver_has_closed(database: Database, roots: RootKeys, orders: str) -> None:
    engine = database.engine()
    with ring_of(engine, roots) as ring, engine.connect() as connection:
        table(connection)
        for _ in range(7):
            ring.key(orders).encrypt(DATA, aad=AAD)
        driver_of(connection).close()
        with pytest.raises((sa.exc.ProgrammingError, sqlite3.ProgrammingError), match="closed"):
            connection.rollback()
        connection.invalidate()
        assert used(database, orders) == 7


@pytest.mark.parametrize("ending", ["rollback", "commit", "close"])
def test_a_ring_that_is_closed_before_the_rollback(
    database: Database, roots: RootKeys, orders: str, ending: str
) -> None:
    engine = database.engine()
    ring = KeyRing(engine, roots)
    with engine.connect() as connection:
        table(connection)
        for _ in range(7):
            ring.key(orders).encrypt(DATA, aad=AAD)
        ring.close()
        getattr(connection, ending)()
    assert used(database, orders) == 7
    assert [each["encryptions"] for each in entries(database, "KEY_USED", orders)] == [0, 7]
    with engine.begin() as connection:  # the closed ring follows no other transaction
        table(connection)
    assert not ring._parts.storage.open_transactions._opens
    engine.dispose()


@pytest.mark.parametrize("end", ["with the engine", pytest.param("without", marks=pytest.mark.full), "in asyncio"])
def test_a_process_that_ends_with_a_transaction_open(
    database: Database, root_file: Path, orders: str, end: str
) -> None:
    """An exit of the interpreter is no event of SQLAlchemy."""
    program = _ENDS_IN_ASYNCIO if end == "in asyncio" else _ENDS + ("work()" if end == "without" else _AT_TOP)
    run = subprocess.run(
        [sys.executable, "-c", program, database.url, str(root_file), orders],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.returncode) == ("7\n", 0), run.stderr
    assert used(database, orders) == 7


def test_no_other_ring_gets_past_a_limit_at_a_rollback(
    database: Database, roots: RootKeys, kek: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one uses what is left as soon as it can: at the latest before uses are counted again after a rollback."""
    made: list[bytes] = []
    engine, catch_up = database.engine(), OpenTransactions.catch_up
    with ring_of(engine, roots) as ring, ring_of(database.engine(), roots) as others:
        ring.create(limited := unique("limited"), under=kek, max_usage_count=8)

        def use_what_is_left() -> None:
            with suppress(UsageLimitError):
                while True:
                    made.append(others.key(limited).encrypt(DATA, aad=AAD))

        def after_others(own: OpenTransactions) -> None:
            if own is ring._parts.storage.open_transactions:
                use_what_is_left()
            catch_up(own)

        with engine.connect() as connection:
            table(connection)
            made += [ring.key(limited).encrypt(DATA, aad=AAD) for _ in range(6)]
            with monkeypatch.context() as patched:
                patched.setattr(OpenTransactions, "catch_up", after_others)
                connection.rollback()
        use_what_is_left()
        assert (len(made), used(database, limited)) == (8, 8)
