"""One database with keys of each kind for the tests of this folder, which change nothing that others read."""

from collections.abc import Iterator

import pytest

from support.engines import Database, Engines
from tests.inventory.keys_of_each_kind import fill


@pytest.fixture(scope="package")
def stocked(engines: Engines, engine_name: str) -> Iterator[Database]:
    engine = engines[engine_name]
    made = engine.create(engines.migrated(engine_name, "template"))
    fill(made)
    yield made
    engine.drop(made)
