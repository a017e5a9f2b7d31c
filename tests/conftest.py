"""Fixtures for every test: databases on the engines that `--engines` chose. See README.md in this folder."""

import gc
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from support.costs import Costs
from support.engines import DEFAULT_ENGINES, Database, Engine, Engines, EngineUnavailableError, parse_names
from support.engines.database import Connection
from support.engines.softhsm import SoftHsm, softhsm
from support.rows.volume import SQLITE_SHARE, fill
from support.shared import SharedDatabase
from support.start_up import StartUp, write_bytecode
from support.views.view_fixture import ViewFixture

# A loaded machine is slow at making examples, too, which is no fault of the tests.
settings.register_profile("loaded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines",
        metavar="NAMES",
        default=os.environ.get("KMS_TEST_ENGINES") or DEFAULT_ENGINES,
        help="engines to test on, separated by commas, or `all` (KMS_TEST_ENGINES, else %(default)s)",
    )
    parser.addoption(
        "--audit-events",
        type=int,
        metavar="NUMBER",
        help="audit events in the large database of the tests under load (200000, with --full a million; on SQLite a"
        " twentieth)",
    )
    parser.addoption(
        "--workload-events",
        type=int,
        default=60_000,
        metavar="NUMBER",
        help="audit entries where the plans of the workload are looked at; a tenth of that of keys (%(default)s)",
    )
    parser.addoption(
        "--foreign-tables",
        type=int,
        default=300,
        metavar="NUMBER",
        help="tables of a host's beside ours, where the validator must not read them (%(default)s; on SQLite a tenth)",
    )
    parser.addoption(
        "--full",
        action="store_true",
        help="full sets: a kill after each statement on every engine, every mutation, every race, and every test on"
        " every PostgreSQL that is asked for",
    )
    parser.addoption("--costs", action="store_true", help="print where the time went, per area and kind of cost")


def pytest_configure(config: pytest.Config) -> None:
    try:
        parse_names(config.getoption("--engines"))
    except ValueError as error:
        raise pytest.UsageError(f"--engines: {error}") from error
    if config.getoption("--audit-events") is None:
        config.option.audit_events = 1_000_000 if config.getoption("--full") else 200_000
    if config.getoption("--costs"):
        config.pluginmanager.register(Costs(), "costs")
    write_bytecode()
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        config.pluginmanager.register(StartUp(worker, int(os.environ["PYTEST_XDIST_WORKER_COUNT"])), "start_up")
    # What a shell runs in the background ignores Ctrl-C, and so would every process that a test starts and interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # pytest-alembic 0.13 would bind its tests to this file and break on pytest 9.1's read-only node ids;
    # migrations/test_pytest_alembic.py imports them instead.
    config.option.pytest_alembic_tests_path = "none"

    config.addinivalue_line("markers", "first: it takes so long that the others would wait for it at the end")
    config.addinivalue_line("markers", "full: what only --full asks for")
    config.addinivalue_line("markers", "full_on(dialect): what only --full asks for on this engine")
    config.addinivalue_line("markers", "only_on(*engines): what the test is about exists on these engines only")
    config.addinivalue_line(
        "markers",
        "versions('all' or 'oldest and newest'): what it is about depends on the server, so it runs on these of the"
        " PostgreSQLs that are asked for; without it, or with 'newest', on the newest; with --full on all",
    )


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: some always wait for a server, or for the time to pass."""
    return (os.cpu_count() or 1) + 1


def pytest_report_header(config: pytest.Config) -> str:
    return f"engines: {', '.join(parse_names(config.getoption('--engines')))}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database once per engine, the tests of one engine together."""
    if "engine_name" in metafunc.fixturenames:
        names = parse_names(metafunc.config.getoption("--engines"))
        # Those that are never made take no time; a test that has no engine left is taken out below.
        wanted = [name for name in names if is_wanted(metafunc.definition, name, metafunc.config)]
        metafunc.parametrize("engine_name", wanted or names[:1], scope="session")


def is_wanted(node: pytest.Item, engine_name: str, config: pytest.Config) -> bool:
    """Return whether a test is run on an engine, as its markers say; "" is no engine."""
    full = config.getoption("--full")
    # A test without a database has no engine, and is about one all the same: it runs once.
    if engine_name and not all(engine_name.startswith(only_on.args) for only_on in node.iter_markers("only_on")):
        return False
    if node.get_closest_marker("full") is not None and not full:
        return False
    if any(engine_name.startswith(full_on.args[0]) for full_on in node.iter_markers("full_on")) and not full:
        return False
    if full or not engine_name.startswith("postgresql-"):
        return True
    names = parse_names(config.getoption("--engines"))
    servers = sorted((name for name in names if name.startswith("postgresql-")), key=lambda name: int(name[11:]))
    versions = node.get_closest_marker("versions")
    standing = {"newest": servers[-1:], "oldest and newest": servers[:1] + servers[-1:], "all": servers}
    return engine_name in standing[versions.args[0] if versions else "newest"]


def pytest_collection() -> None:
    """Collect no garbage while tests are collected: hardly any of it is, and each search looks at all tests again."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave the tests themselves out of every later search for garbage: they stay until the end."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Take out what is about another engine, and what another version stands for; put the longest tests first.

    Neither is skipped.
    """
    names = parse_names(config.getoption("--engines"))
    deselected: list[pytest.Item] = []
    selected: list[pytest.Item] = []
    for item in items:
        engine_name = item.callspec.params.get("engine_name", "") if hasattr(item, "callspec") else ""
        (selected if is_wanted(item, engine_name, config) else deselected).append(item)
        if engine_name:  # pytest runs those together that have the same index
            item.callspec.indices["engine_name"] = names.index(engine_name)
    items[:] = selected
    if deselected:
        config.hook.pytest_deselected(items=deselected)
    yield  # to pytest, which sorts them by engine
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Every engine by its name, opened when first used."""
    with closing(Engines()) as opened:
        yield opened


@pytest.fixture
def engine(engines: Engines, engine_name: str) -> Engine:
    """The engine that the test runs on; where it cannot be had, the test fails."""
    try:
        return engines[engine_name]
    except EngineUnavailableError as error:
        reason = str(error)
    pytest.fail(reason, pytrace=False)


@pytest.fixture
def database(engines: Engines, engine: Engine) -> Iterator[Database]:
    """A database of the test's own, migrated to head."""
    made = engine.create(engines.migrated(engine.name, "template"))
    yield made
    engine.drop(made)


@pytest.fixture
def empty_database(engine: Engine) -> Iterator[Database]:
    """A database of the test's own with nothing in it."""
    made = engine.create()
    yield made
    engine.drop(made)


@pytest.fixture
def database_at(engines: Engines, engine: Engine) -> Iterator[Callable[[str], Database]]:
    """Make databases of the test's own, each at a revision: copies of templates, where a replay would take a second."""
    made: list[Database] = []

    def make(revision: str) -> Database:
        made.append(engine.create(engines.at(engine.name, revision)))
        return made[-1]

    yield make
    for database in made:
        engine.drop(database)


@pytest.fixture(scope="session")
def shared_connection(engines: Engines, engine_name: str) -> Iterator[Connection]:
    """A connection to a migrated database, kept: what a session reads of the catalog costs more than most tests."""
    with closing(engines.migrated(engine_name, "shared").connect()) as connection:
        yield connection


def in_transaction(connection: Connection) -> bool:
    if isinstance(connection, sqlite3.Connection):
        return connection.in_transaction
    return connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE


@pytest.fixture
def shared(engine: Engine, shared_connection: Connection) -> Iterator[SharedDatabase]:
    """A connection to a migrated database that many tests share, in a transaction that is rolled back."""
    shared_connection.execute("BEGIN")
    yield SharedDatabase(engine.name, engine.dialect, shared_connection)
    ended = not in_transaction(shared_connection)
    shared_connection.rollback()
    if isinstance(shared_connection, sqlite3.Connection):  # PostgreSQL takes back settings with the transaction
        for pragma in ("foreign_keys", "recursive_triggers", "ignore_check_constraints"):
            shared_connection.execute(f"PRAGMA {pragma} = off")
    assert not ended, "the test ended the transaction: other tests would find its rows"


@pytest.fixture
def view_fixture(shared: SharedDatabase) -> ViewFixture:
    """The views at a time and over rows that the test chooses."""
    return ViewFixture(shared.connection, shared.dialect)


@pytest.fixture
def hsm(tmp_path: Path) -> Iterator[SoftHsm]:
    """A folder for tokens of SoftHSM2, which this process and its children use."""
    with softhsm(tmp_path / "softhsm") as made:
        yield made


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
