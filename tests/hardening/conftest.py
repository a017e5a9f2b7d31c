"""Hardened databases: one of the test's own, and one for the tests of a module that change nothing."""

from collections.abc import Iterator

import pytest

from support.engines import Database, Engine, Engines
from tests.hardening.hardened import Hardened, hardened


@pytest.fixture
def own(database: Database) -> Iterator[Hardened]:
    """A database of the test's own."""
    with hardened(database) as made:
        yield made


@pytest.fixture(scope="module")
def common(engines: Engines, engine_name: str) -> Iterator[Hardened]:
    """One for the tests of a module; what they do is refused or rolled back."""
    engine: Engine = engines[engine_name]
    database = engine.create(engines.migrated(engine.name, "template"))
    with hardened(database) as made:
        yield made
    engine.drop(database)
