"""Fixtures: a database with a KEK, and rings on it."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys, Secret
from kms_schema.keyring import KeyRing
from tests.keyring.rings import ROOT
from tests.support.engines import Database, Engines
from tests.support.rows.smallest import unique

MakeRing = Callable[..., KeyRing]


@pytest.fixture(scope="session")
def roots() -> RootKeys:
    """One root key, `ROOT`."""
    return RootKeys({ROOT: Secret(bytearray(secrets.token_bytes(32)))})


@pytest.fixture(scope="module")
def database(engines: Engines, engine_name: str) -> Iterator[Database]:
    """A migrated database for the tests of a module: each has keys of its own."""
    engine = engines[engine_name]
    made = engine.create(engines.migrated(engine_name, "template"))
    yield made
    engine.drop(made)


@pytest.fixture(scope="module")
def sql_engine(database: Database) -> Iterator[sa.Engine]:
    made = database.engine()
    yield made
    made.dispose()


@pytest.fixture
def make_ring(sql_engine: sa.Engine, roots: RootKeys) -> Iterator[MakeRing]:
    """Makes rings with the arguments of `KeyRing`; they are closed at the end."""
    with ExitStack() as stack:

        def make(engine: sa.Engine = sql_engine, **options: Any) -> KeyRing:
            return stack.enter_context(KeyRing(engine, roots, **options))

        yield make


@pytest.fixture(scope="module")
def kek(sql_engine: sa.Engine, roots: RootKeys) -> str:
    """The name of an active KEK."""
    name = unique("kek")
    with KeyRing(sql_engine, roots) as ring:
        ring.create(name, under=ROOT, key_type="kek")
    return name


@pytest.fixture
def ring(make_ring: MakeRing) -> KeyRing:
    """A ring of the test's own."""
    return make_ring()


@pytest.fixture
def orders(ring: KeyRing, kek: str) -> str:
    """The name of an active data key."""
    name = unique("orders")
    ring.create(name, under=kek)
    return name
