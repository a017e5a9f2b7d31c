"""Fixtures for what several modules of this folder look at."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.engines import Database, Engines
from tests.support.rows.volume import fill
from tests.support.shared import SharedDatabase
from tests.support.views.view_fixture import StandIn

SQLITE_SHARE = 20
"""How many times less the large database has on SQLite, which is not for a million events and many writers."""


@pytest.fixture
def stand_in(shared: SharedDatabase) -> StandIn:
    """The views at a time and over rows that the test chooses."""
    return StandIn(shared.connection, shared.dialect)


@pytest.fixture(scope="session")
def large(engines: Engines, engine_name: str, pytestconfig: pytest.Config) -> Iterator[Database]:
    """A database at 004 to make copies of, with `--audit-events` in it."""
    made = engines[engine_name].create()
    made.alembic("upgrade", "004")
    events = pytestconfig.getoption("--audit-events")
    with closing(made.connect()) as connection:
        fill(connection, events=events if made.dialect == "postgresql" else events // SQLITE_SHARE)
    yield made
    engines[engine_name].drop(made)


@pytest.fixture(scope="session")
def small(engines: Engines, engine_name: str) -> Iterator[Database]:
    """The same with next to nothing in it."""
    made = engines[engine_name].create()
    made.alembic("upgrade", "004")
    with closing(made.connect()) as connection:
        fill(connection, events=100, keys=10)
    yield made
    engines[engine_name].drop(made)
