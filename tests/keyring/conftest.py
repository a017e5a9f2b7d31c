"""Fixtures: a database with a KEK, and rings on it."""

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyRing
from kms_schema.keyring.waiting import notices
from kms_schema.roles.applying import apply
from kms_schema.roles.definition import Role
from support.engines import Database, Engines
from support.login_roles import drop_roles
from support.programs.commands import Said, kms_schema
from support.rows.smallest import unique
from tests.keyring.rings import DRIVERS, ROOT
from tests.roles.granted import Granted

MakeRing = Callable[..., KeyRing]
Keys = Callable[..., Said]


@pytest.fixture(autouse=True)
def _no_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ring listens: a notice has rows read again, and tests count what is read. test_notices.py is about them."""
    monkeypatch.setattr(notices, "FIRST_AFTER", 3600)


@pytest.fixture(scope="session")
def root_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the root key `ROOT`."""
    path = tmp_path_factory.mktemp("roots") / "root.key"
    path.touch(0o600)
    path.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    return path


@pytest.fixture(scope="session")
def roots(root_file: Path) -> RootKeys:
    """One root key, `ROOT`."""
    return RootKeys.from_files({ROOT: root_file})


@pytest.fixture
def root(root_file: Path) -> tuple[str, str]:
    """The option of commands for the root key."""
    return "--root-key", f"{ROOT}={root_file}"


@pytest.fixture
def keys(database: Database) -> Keys:
    """Runs `kms-schema keys` on the database."""

    def run(*words: str, url: str = database.url) -> Said:
        return kms_schema("keys", *words, url=url)

    return run


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


@pytest.fixture(scope="module")
def granted(database: Database) -> Iterator[Granted]:
    """The database of the module with the roles, under a prefix of the module's own."""
    prefix = unique("r").replace("-", "_") + "_"
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        apply(connection, prefix=prefix)
        yield Granted(database, prefix, connection)
    with closing(database.connect()) as connection:  # a test may have cut the first one
        assert isinstance(connection, psycopg.Connection)
        drop_roles(connection, *(prefix + role for role in Role))


@pytest.fixture(
    params=[
        pytest.param(driver, marks=pytest.mark.only_on(dialect))
        for dialect, drivers in DRIVERS.items()
        for driver in drivers
    ]
)
def driver(request: pytest.FixtureRequest) -> str:
    """Each asynchronous driver of the engine."""
    found: str = request.param
    return found
