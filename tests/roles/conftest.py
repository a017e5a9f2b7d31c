"""A database with the roles, and logins that are members of one each."""

import secrets
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from kms_schema.roles.applying import apply
from kms_schema.roles.definition import Role
from support.engines import Database, Engine, Engines
from support.login_roles import drop_roles
from tests.roles.granted import Granted


@pytest.fixture
def granted(database: Database) -> Iterator[Granted]:
    """A database of the test's own, its roles under a prefix of the test's own."""
    yield from _granted(database)


@pytest.fixture(scope="module")
def common(engines: Engines, engine_name: str) -> Iterator[Granted]:
    """One for the tests of a module that change nothing, or roll it back. Everything belongs to kms_owner."""
    engine: Engine = engines[engine_name]
    made = engine.create(engines.migrated(engine.name, "template"))
    yield from _granted(made, owner=True)
    engine.drop(made)


def _granted(database: Database, *, owner: bool = False) -> Iterator[Granted]:
    prefix = f"t{secrets.token_hex(4)}_"
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        try:
            apply(connection, prefix=prefix, owner=owner)
            yield Granted(database, prefix, connection)
        finally:
            drop_roles(connection, *(prefix + role for role in Role))
