"""A populated database, which tests only read, or change and change back."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from support.engines import Database, Engines
from support.engines.database import Connection
from tests.reports.populated import populate


@pytest.fixture(scope="package")
def populated(engines: Engines, engine_name: str) -> Iterator[Database]:
    engine = engines[engine_name]
    database = engine.create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        populate(connection)
    yield database
    engine.drop(database)


@pytest.fixture
def connection(populated: Database) -> Iterator[Connection]:
    with closing(populated.connect()) as opened:
        yield opened


@pytest.fixture(scope="module")
def changed(engines: Engines, engine_name: str) -> Iterator[Connection]:
    engine = engines[engine_name]
    database = engine.create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        populate(connection)
        yield connection
    engine.drop(database)
