"""Engines as the package makes them: URLs as people write them, and SQLite as the schema needs it."""

import sys

import pytest
import sqlalchemy as sa

from kms_schema.database.url import DatabaseUrlError
from kms_schema.engine import create_engine
from support.engines import Database

pytestmark = pytest.mark.versions("oldest and newest")


def test_an_engine_reaches_the_database(database: Database) -> None:
    engine = database.engine()
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM key_audit_logs")) == 1
    engine.dispose()


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_postgresql_url_means_psycopg_3(database: Database, scheme: str) -> None:
    engine = create_engine(f"{scheme}://{database.url.partition('://')[2]}")
    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg")
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM key_audit_logs")) == 1
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://host/db", "postgresql+psycopg2://host/db", "kms.db"])
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUrlError):
        create_engine(url)


def test_a_url_object_and_options_are_taken_too(database: Database) -> None:
    engine = create_engine(sa.make_url(database.url), echo=False, pool_size=1)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    engine.dispose()


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("pragma", "value"),
    [("foreign_keys", 1), ("recursive_triggers", 1), ("journal_mode", "wal"), ("busy_timeout", 30_000)],
)
def test_sqlite_connections_have_the_settings_of_the_schema(database: Database, pragma: str, value: object) -> None:
    engine = database.engine()
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    engine.dispose()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")  # of an index on an expression
def test_definitions_are_transactional(database: Database) -> None:
    engine = database.engine()
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TABLE scratch (n INTEGER)"))
        connection.execute(sa.text("INSERT INTO scratch VALUES (1)"))
        connection.execute(sa.text("CREATE INDEX idx_scratch ON key_masters (algorithm)"))
        connection.rollback()
    found = sa.inspect(engine)
    assert "scratch" not in found.get_table_names()
    assert "idx_scratch" not in [index["name"] for index in found.get_indexes("key_masters")]
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE scratch (n INTEGER)"))
    assert "scratch" in sa.inspect(engine).get_table_names()
    engine.dispose()


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("autocommit", [True, False])
def test_transactions_end_whatever_autocommit_of_the_driver_is(database: Database, *, autocommit: bool) -> None:
    given = {"autocommit": autocommit} if sys.version_info >= (3, 12) else {}
    engine = create_engine(database.url, connect_args=given)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept (n INTEGER)"))
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TABLE scratch (n INTEGER)"))
        connection.rollback()
    engine.dispose()
    names = sa.inspect(database.engine()).get_table_names()
    assert ("kept" in names, "scratch" in names) == (True, False)


def test_a_savepoint_undoes_its_own_part(database: Database) -> None:
    engine = database.engine()
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE scratch (n INTEGER)"))
        savepoint = connection.begin_nested()
        connection.execute(sa.text("INSERT INTO scratch VALUES (1)"))
        savepoint.rollback()
        connection.execute(sa.text("INSERT INTO scratch VALUES (2)"))
    with engine.connect() as connection:
        assert connection.scalars(sa.text("SELECT n FROM scratch")).all() == [2]
    engine.dispose()
