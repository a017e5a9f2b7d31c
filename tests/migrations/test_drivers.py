"""Migrations over a connection of a host: of every driver, synchronous or not, and given back to the pool as it was."""

import asyncio
import dataclasses
import sqlite3
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from pytest_alembic.tests.experimental.downgrade_leaves_no_trace import WrappingConnection
from sqlalchemy.ext.asyncio import create_async_engine

from support.engines import Database
from support.engines.database import ALEMBIC_INI
from support.engines.pgbouncer import PASSWORD, pgbouncer
from support.programs.commands import kms_schema
from support.revisions import revisions

ASYNCHRONOUS = "async "
DRIVERS = {
    "postgresql": ("psycopg", "async psycopg", "async asyncpg", "psycopg2", "pg8000"),
    "sqlite": ("pysqlite", "async aiosqlite"),
}
SETTINGS = {
    "postgresql": [
        *("search_path", "lock_timeout", "statement_timeout", "application_name"),
        *("transaction_isolation", "default_transaction_isolation", "client_min_messages"),
    ],
    "sqlite": [f"PRAGMA {name}" for name in ("busy_timeout", "foreign_keys", "recursive_triggers")],
}
ALL = [
    pytest.param(driver, id=driver, marks=pytest.mark.only_on(dialect))
    for dialect, drivers in DRIVERS.items()
    for driver in drivers
]
IN_EVERY_RUN = [
    param
    if param.id in {"psycopg", "async aiosqlite"}
    else pytest.param(*param.values, id=param.id, marks=(*param.marks, pytest.mark.full))
    for param in ALL
]
OPENED = {
    "as usual": {},
    "in AUTOCOMMIT": {"isolation_level": "AUTOCOMMIT"},
    "SERIALIZABLE": {"isolation_level": "SERIALIZABLE"},
}


def configured(connection: object) -> Config:
    configuration = Config(str(ALEMBIC_INI), stdout=StringIO())
    configuration.attributes |= {"connection": connection, "configure_logger": False}
    return configuration


def alembic(connection: object, name: str, revision: str) -> None:
    getattr(command, name)(configured(connection), revision)


def upgrade(connection: object) -> None:
    alembic(connection, "upgrade", "head")


def settings(connection: sa.Connection) -> list[Any]:
    """Return the settings of a session, and those of its driver."""
    shows = SETTINGS[connection.dialect.name]
    found = [connection.exec_driver_sql(each if " " in each else f"SHOW {each}").scalar() for each in shows]
    connection.rollback()
    driver: Any = connection.connection.dbapi_connection
    of_sqlite = connection.dialect.name == "sqlite"
    return [*found, driver.isolation_level if of_sqlite else driver.autocommit]


def on_connections(
    database: Database, driver: str, works: list[Callable[[sa.Connection], Any]], **options: Any
) -> list[Any]:
    """Call each function with a connection of its own, from a pool of one; return what they return."""
    url = sa.make_url(database.url).set(drivername=f"{database.dialect}+{driver.removeprefix(ASYNCHRONOUS)}")
    options |= {"pool_size": 1, "max_overflow": 0}
    if not driver.startswith(ASYNCHRONOUS):
        engine = sa.create_engine(url, **options)
        try:
            return [_on(engine, work) for work in works]
        finally:
            engine.dispose()

    async def all_of_them() -> list[Any]:
        engine = create_async_engine(url, **options)
        try:
            returned = []
            for work in works:
                async with engine.connect() as connection:
                    returned.append(await connection.run_sync(work))
            return returned
        finally:
            await engine.dispose()

    return asyncio.run(all_of_them())


def _on(engine: sa.Engine, work: Callable[[sa.Connection], Any]) -> Any:
    with engine.connect() as connection:
        return work(connection)


def given_back(database: Database, driver: str, **options: Any) -> None:
    """Upgrade, and be refused an upgrade; the connection and the pool have the settings of before."""

    def migrate(connection: sa.Connection) -> list[Any]:
        upgrade(connection)
        after_success = settings(connection)
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('another')")
        connection.commit()
        with pytest.raises(CommandError, match="unknown revision"):
            alembic(connection, "downgrade", "005")
        connection.exec_driver_sql("DELETE FROM alembic_version WHERE version_num = 'another'")
        connection.commit()
        return [after_success, settings(connection)]

    before, (succeeded, refused), after = on_connections(database, driver, [settings, migrate, settings], **options)
    assert [succeeded, refused, after] == [before] * 3
    assert kms_schema("current", url=database.url).out == f"{revisions()[-1]} (the newest)\n"


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("driver", DRIVERS["postgresql"])
def test_a_connection_of_a_driver_of_postgresql(empty_database: Database, driver: str) -> None:
    given_back(empty_database, driver, isolation_level="SERIALIZABLE")


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("driver", DRIVERS["sqlite"])
@pytest.mark.parametrize("opened", OPENED)
def test_a_connection_of_a_driver_of_sqlite(empty_database: Database, driver: str, opened: str) -> None:
    given_back(empty_database, driver, **OPENED[opened])


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    "options",
    [{"isolation_level": "AUTOCOMMIT"}, {"connect_args": {"autocommit": True, "prepare_threshold": 0}}],
    ids=["of the engine", "of the driver"],
)
def test_a_connection_in_autocommit_stays_so(empty_database: Database, options: dict[str, Any]) -> None:
    given_back(empty_database, "psycopg", **options)


@pytest.mark.full
@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("driver", DRIVERS["postgresql"])
@pytest.mark.parametrize("opened", OPENED)
def test_every_driver_at_every_level(empty_database: Database, driver: str, opened: str) -> None:
    given_back(empty_database, driver, **OPENED[opened])


def tables(connection: sa.Connection) -> list[str]:
    return sa.inspect(connection).get_table_names()


@pytest.mark.parametrize("driver", ALL)
@pytest.mark.parametrize("opened", ["by the engine", "by an option"])
def test_a_transaction_in_autocommit_is_refused_before_anything(
    empty_database: Database, driver: str, opened: str
) -> None:
    def refused(connection: sa.Connection) -> None:
        if opened == "by an option":
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(sa.text("SELECT 1"))
        assert connection.in_transaction()
        with pytest.raises(CommandError, match="the connection is in AUTOCOMMIT, where a transaction holds nothing"):
            upgrade(connection)

    def reads(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT 1"))
        command.current(configured(connection))

    options = {"isolation_level": "AUTOCOMMIT"} if opened == "by the engine" else {}
    assert on_connections(empty_database, driver, [refused, reads, tables], **options) == [None, None, []]


class WithoutCommit(sqlite3.Connection):
    """As sqlite3 is with `autocommit=True`, from Python 3.12 on."""

    autocommit = True

    def commit(self) -> None:
        """Do nothing."""


@pytest.mark.only_on("sqlite")
def test_a_driver_that_commits_nothing_is_refused_before_anything(empty_database: Database) -> None:
    def refused(connection: sa.Connection) -> None:
        with pytest.raises(CommandError, match="sqlite3 commits nothing with autocommit=True: open the connection"):
            upgrade(connection)

    given = {"connect_args": {"factory": WithoutCommit}}
    assert on_connections(empty_database, "pysqlite", [refused, tables], **given) == [None, []]


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("setting", ["quote_all_identifiers = on", "session_replication_role = replica"])
def test_a_setting_of_the_session_makes_no_drift(empty_database: Database, setting: str) -> None:
    def migrate(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"SET {setting}")
        connection.commit()
        upgrade(connection)

    on_connections(empty_database, "psycopg", [migrate])
    assert kms_schema("validate", url=empty_database.url).status == 0


@pytest.mark.only_on("postgresql")
def test_a_transaction_in_autocommit_of_the_driver_is_refused(empty_database: Database) -> None:
    def refused(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT 1"))
        with pytest.raises(CommandError, match="AUTOCOMMIT"):
            upgrade(connection)

    made = on_connections(empty_database, "psycopg", [refused, tables], connect_args={"autocommit": True})
    assert made == [None, []]


@pytest.mark.parametrize("driver", IN_EVERY_RUN)
def test_a_transaction_of_the_caller_is_rolled_back_whole(empty_database: Database, driver: str) -> None:
    def rolled_back(connection: sa.Connection) -> list[str]:
        with connection.begin() as transaction:
            alembic(connection, "upgrade", "004")
            made = tables(connection)
            transaction.rollback()
        return made

    made, left = on_connections(empty_database, driver, [rolled_back, tables])
    assert "key_masters" in made
    assert left == []


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("driver", DRIVERS["postgresql"])
def test_a_proxy_is_checked_by_psycopg_or_refused(empty_database: Database, driver: str) -> None:
    said = "pools transactions" if "psycopg" in driver.split() else "only psycopg can find out whether it pools"

    def refused(connection: sa.Connection) -> None:
        with pytest.raises(CommandError, match=f"{said}.*connect to the server itself") as raised:
            upgrade(connection)
        assert PASSWORD not in str(raised.value)

    with pgbouncer(empty_database.url, "transaction") as url:
        on_connections(dataclasses.replace(empty_database, url=url), driver, [refused])
    assert on_connections(empty_database, "psycopg", [tables]) == [[]]


def test_what_has_connect_is_entered(empty_database: Database) -> None:
    """As pytest-alembic hands in the connection whose transaction it rolls back."""
    engine = empty_database.engine()
    with engine.connect() as connection:
        with connection.begin() as transaction:
            alembic(WrappingConnection(connection), "upgrade", "004")
            assert "key_masters" in tables(connection)
            transaction.rollback()
        assert tables(connection) == []
    engine.dispose()


def test_an_asynchronous_connection_or_engine_itself_is_refused(empty_database: Database) -> None:
    driver = {"postgresql": "asyncpg", "sqlite": "aiosqlite"}[empty_database.dialect]

    async def hand_in() -> None:
        url = sa.make_url(empty_database.url).set(drivername=f"{empty_database.dialect}+{driver}")
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            for each in (engine, connection):
                with pytest.raises(CommandError, match=r"by `await connection\.run_sync"):
                    upgrade(each)
        await engine.dispose()

    asyncio.run(hand_in())
