"""Fixtures: a sealed trail to change, and one whose oldest entries may be removed."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from support.engines import Database, Engines
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.retaining import Retaining, retaining
from tests.audit.tampered import BATCH, ENTRIES, Scene, rules_off
from tests.audit.trails import faults, seal_all, write


@pytest.fixture(scope="module")
def scene(engines: Engines, engine_name: str) -> Iterator[Scene]:
    engine = engines[engine_name]
    database = engine.create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        write(connection, ENTRIES, user_id="somebody", session_id="s", client_ip="::1", user_agent="x", duration_ms=5)
        seals = seal_all(connection, batch=BATCH)
        with triggers_disabled(connection), rules_off(connection):
            assert faults(connection) == []
            yield Scene(connection, seals)
    engine.drop(database)


@pytest.fixture
def place(database: Database) -> Iterator[Retaining]:
    """A database with its roles, on PostgreSQL, and a login that may end retention periods."""
    with retaining(database) as made:
        yield made
