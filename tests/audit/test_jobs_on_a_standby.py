"""A hot standby exports and imports snapshots: several processes verify a trail there as on its primary."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa

from support.engines import Database
from support.engines.postgresql import PostgresqlEngine, psycopg_url
from support.engines.programs import WHEEL_MAJOR, find_programs
from support.programs.commands import kms_schema
from tests.audit.trails import seal_all, write

pytestmark = pytest.mark.only_on("postgresql-18")


@pytest.fixture
def primary(engine_name: str) -> Iterator[PostgresqlEngine]:
    with closing(PostgresqlEngine(engine_name, find_programs(WHEEL_MAJOR))) as engine:
        yield engine


@pytest.fixture
def sealed(primary: PostgresqlEngine) -> Database:
    """A database with a sealed trail, made before there is a standby, which then has all of it."""
    database = primary.create()
    database.alembic("upgrade", "head")
    with closing(database.connect()) as connection:
        write(connection, 50)
        seal_all(connection)
    return database


@pytest.fixture
def standby(sealed: Database, primary: PostgresqlEngine) -> Iterator[PostgresqlEngine]:
    del sealed  # it is there first
    options = ("--standby-of", psycopg_url(primary.url))
    with closing(PostgresqlEngine(primary.name, find_programs(WHEEL_MAJOR), options)) as engine:
        yield engine


def test_workers_verify_a_standby(sealed: Database, standby: PostgresqlEngine) -> None:
    url = standby.url.set(database=sa.make_url(sealed.url).database)
    copied = replace(sealed, url=url.render_as_string(hide_password=False))
    done = kms_schema("audit", "verify", "--jobs", "3", url=copied.url)
    assert (done.status, done.out.splitlines()[-1]) == (0, "sound"), done.all
