"""A cluster that pg_upgrade has brought to a later version is a home of the trail."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from kms_schema.audit.storage.stored_seals import StoredSeal
from support.engines import Database
from support.engines.database import Connection
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import WHEEL_MAJOR, find_programs
from support.engines.upgradable import find_upgradable_programs
from support.reports import found, report_on
from support.rows.population import populate
from support.statements import execute
from tests.audit.standbys import postmaster, same_on, wait_for
from tests.audit.trails import checkpoint_of, is_whole, seal_all, verified, write

pytestmark = [pytest.mark.only_on(f"postgresql-{WHEEL_MAJOR}"), pytest.mark.usefixtures("engine_name")]


@pytest.fixture
def old() -> Iterator[PostgresqlEngine]:
    major, programs = find_upgradable_programs()
    with closing(PostgresqlEngine(f"postgresql-{major}", programs)) as engine:
        yield engine


@contextmanager
def upgraded(old: PostgresqlEngine, connection: Connection) -> Iterator[PostgresqlEngine]:
    """Shut a server down, as pg_upgrade demands, and start what that makes of its data."""
    (data,) = execute(connection, "SHOW data_directory").fetchone()
    (programs,) = execute(connection, "SELECT setting FROM pg_config() WHERE name = 'BINDIR'").fetchone()
    os.kill(postmaster(connection)[0], signal.SIGINT)
    wait_for(lambda: not Path(data, "postmaster.pid").exists(), f"{old.name} does not shut down")
    options = ("--upgrade-of", programs, data)
    with closing(PostgresqlEngine(f"postgresql-{WHEEL_MAJOR}", find_programs(WHEEL_MAJOR), options)) as engine:
        yield engine


def test_an_upgraded_cluster_goes_on_with_gaps_that_were_open(old: PostgresqlEngine) -> None:
    database = old.create()
    database.alembic("upgrade", "head")
    with closing(database.connect()) as connection, closing(database.connect()) as slow:
        populate(connection)
        execute(slow, "BEGIN")
        write(slow, 2)
        write(connection, 3)
        seals = seal_all(connection)
        assert seals[-1].open_gaps != ()
        write(connection, 2)
        with upgraded(old, connection) as new:
            goes_on(same_on(new, database), seals)


def goes_on(copy: Database, seals: list[StoredSeal]) -> None:
    with closing(copy.connect()) as connection:
        assert verified(connection, checkpoints=tuple(map(checkpoint_of, seals))).unsealed == 2
        for _ in "what was left", "what that has left open":
            write(connection, 1)
            seals += seal_all(connection)
        assert seals[-1].open_gaps == ()
        assert seals[-1].system_identifier != seals[0].system_identifier
        query = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'A'"
        assert execute(connection, query).fetchone() == (0,)
    is_whole(copy, tuple(map(checkpoint_of, seals)))
    assert found(report_on(copy, level="data")) == []
