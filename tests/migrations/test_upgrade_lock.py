"""One upgrade at a time, and what an interrupted one leaves is repaired by the next."""

import re
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest
import sqlalchemy as sa
from alembic.util import CommandError

from kms_schema.engine import create_engine
from kms_schema.migrate.faults import CannotMigrateError
from kms_schema.migrate.lock import LOCK_KEY, one_upgrade_at_a_time
from support.engines import Database
from support.errors import raises
from support.login_roles import login
from support.programs.alembic_processes import run_at_once
from support.statements import execute

REPLICAS = {"postgresql": 6, "sqlite": 4}
"""How many start at once; with --full three times as many."""

ADVICE = (
    'has held the lock of upgrades for 0.3 seconds: end it if it is no upgrade (page "operations" of the documentation)'
    ", wait for it to end, or allow more with -x lock-wait=SECONDS"
)


def wait_for_the_lock(database: Database, seconds: float = 0.3) -> str:
    """Return what an upgrade says that cannot have the lock."""
    with ExitStack() as stack:
        engine = database.engine()
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.connect())
        refusal = stack.enter_context(raises(CannotMigrateError, "locked"))
        stack.enter_context(one_upgrade_at_a_time(connection, wait_seconds=seconds, lock_timeout_ms=1000))
    return str(refusal.value)


def busy_timeout(connection: sa.Connection) -> object:
    driver = connection.connection.driver_connection
    assert driver is not None
    return driver.execute("PRAGMA busy_timeout").fetchone()


def test_replicas_that_start_at_once_migrate_once(empty_database: Database, pytestconfig: pytest.Config) -> None:
    number = REPLICAS[empty_database.dialect] * (3 if pytestconfig.getoption("--full") else 1)
    replicas = run_at_once(number, empty_database.url, "upgrade", "head", seconds=300)
    assert [replica.status for replica in replicas] == [0] * number, replicas
    for revision in ("003", "004", "005"):
        assert sum(bool(re.search(f"Running upgrade .*-> {revision}", replica.said)) for replica in replicas) == 1
    with closing(empty_database.connect()) as connection:
        assert execute(connection, "SELECT count(*) FROM key_audit_logs").fetchone() == (1,)
    empty_database.alembic("check")


def test_a_waiting_upgrade_gives_up_and_says_how_to_wait_longer(empty_database: Database) -> None:
    with closing(empty_database.connect()) as other:
        if empty_database.dialect == "postgresql":
            other.execute(f"SELECT pg_advisory_lock({LOCK_KEY})")
        else:
            other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CommandError, match=r"another .* for 0\.3 seconds: .* -x lock-wait=SECONDS"):
            empty_database.alembic("-x", "lock-wait=0.3", "upgrade", "head")


@pytest.mark.only_on("postgresql")
def test_a_waiting_upgrade_says_who_holds_the_lock(empty_database: Database, caplog: pytest.LogCaptureFixture) -> None:
    with closing(empty_database.connect()) as other:
        other.execute("SET application_name = 'the other one'")
        other.execute(f"SELECT pg_advisory_lock({LOCK_KEY})")
        user, process = other.execute("SELECT current_user, pg_backend_pid()").fetchone() or ()
        said = wait_for_the_lock(empty_database)
    holder = (
        rf"\(server process {process}, role {user}, application the other one, client 127\.0\.0\.1, "
        r"connected since 20[-0-9]+ [0-9:]+ \w+\)"
    )
    assert re.fullmatch(f"another session {holder} {re.escape(ADVICE)}", said)
    assert [re.sub(holder, "(…)", message) for message in caplog.messages] == [
        "another session (…) holds the lock of upgrades: waiting up to 0.3 seconds"
    ]


@pytest.mark.only_on("postgresql")
def test_a_role_without_access_to_other_sessions_gets_the_part_it_can_read(empty_database: Database) -> None:
    with closing(empty_database.connect()) as other, login(empty_database) as other_role:
        other.execute("SET application_name = 'the other one'")
        other.execute(f"SELECT pg_advisory_lock({LOCK_KEY})")
        user, process = other.execute("SELECT current_user, pg_backend_pid()").fetchone() or ()
        known = f"server process {process}, role {user}, application the other one"
        assert wait_for_the_lock(other_role) == f"another session ({known}) {ADVICE}"
        other.execute("REVOKE SELECT ON pg_catalog.pg_locks FROM public")
        assert wait_for_the_lock(other_role) == f"another session {ADVICE}"


@pytest.mark.only_on("postgresql")
def test_what_a_waiting_upgrade_looks_up_is_postgresqls_own(empty_database: Database) -> None:
    with closing(empty_database.connect()) as other:
        other.execute("CREATE VIEW public.pg_locks AS SELECT 1 / 0 AS pid")
        name = sa.make_url(empty_database.url).database
        other.execute(f"ALTER DATABASE {name} SET search_path TO public, pg_catalog")
        other.execute(f"SELECT pg_advisory_lock({LOCK_KEY})")
        assert "server process" in wait_for_the_lock(empty_database)


@pytest.mark.only_on("sqlite")
def test_a_waiting_upgrade_says_which_file_is_written_to(
    empty_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    file = sa.make_url(empty_database.url).database
    with closing(empty_database.connect()) as other:
        other.execute("BEGIN IMMEDIATE")
        said = wait_for_the_lock(empty_database)
    assert said == (
        f"another process has been writing to {file} for 0.3 seconds: "
        "wait for it to end, or allow more with -x lock-wait=SECONDS"
    )
    assert caplog.messages == [f"another process is writing to {file}: waiting up to 0.3 seconds"]


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_waiting_upgrade_goes_on_when_the_file_is_free(empty_database: Database, journal: str) -> None:
    file = sa.make_url(empty_database.url).database
    assert file is not None
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute(f"PRAGMA journal_mode = {journal}")
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE theirs (n)")
        writer = threading.Timer(3, lambda: other.execute("COMMIT"))
        writer.start()
        empty_database.alembic("upgrade", "head")
        writer.join()
        assert other.execute("SELECT count(*) FROM theirs, key_audit_logs").fetchone() == (0,)
    empty_database.alembic("check")


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("make_engine", [create_engine, sa.create_engine], ids=["ours", "any"])
def test_the_block_is_one_transaction_on_sqlite(
    empty_database: Database, make_engine: Callable[[str], sa.Engine]
) -> None:
    engine = make_engine(empty_database.url)

    def create_a_table(fault: Exception | None) -> None:
        with engine.connect() as connection, closing(empty_database.connect()) as other:
            before = busy_timeout(connection)
            with one_upgrade_at_a_time(connection, wait_seconds=1, lock_timeout_ms=1):
                connection.exec_driver_sql("CREATE TABLE scratch (n)")
                assert busy_timeout(connection) == before
                assert wait_for_the_lock(empty_database, 0).startswith("another process has been writing")
                if fault:
                    raise fault
            with connection.begin():  # what the connection begins later does not write by itself
                other.execute("BEGIN IMMEDIATE")
                other.execute("ROLLBACK")

    with pytest.raises(KeyError):
        create_a_table(KeyError())
    assert sa.inspect(engine).get_table_names() == []
    create_a_table(None)
    assert sa.inspect(engine).get_table_names() == ["scratch"]
    engine.dispose()


@pytest.mark.only_on("postgresql")
def test_the_lock_is_given_back(database: Database) -> None:
    with closing(database.connect()) as connection:
        query = "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database WHERE datname = current_database()"
        assert execute(connection, f"{query} AND locktype = 'advisory'").fetchone() == (0,)


@pytest.mark.only_on("postgresql")
def test_an_index_that_was_left_invalid_is_built_again(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as connection:
        connection.execute("CREATE INDEX idx_key_versions_lifecycle ON key_versions (id)")
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_key_versions_lifecycle'::regclass"
        )
        empty_database.alembic("upgrade", "head")
        found = execute(
            connection,
            "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indexrelid = 'idx_key_versions_lifecycle'::regclass",
        ).fetchone()
    assert found is not None
    assert found[0] is True
    assert "(key_id, version_number, activated_at, deactivated_at)" in found[1]


@pytest.mark.only_on("postgresql")
def test_a_locked_table_stops_the_upgrade_with_advice_and_the_next_one_completes(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE rotation_policies IN ROW EXCLUSIVE MODE")
        with pytest.raises(
            CommandError, match=r"rotation_policies could not be locked; in use by process \d+ .* run it again"
        ):
            empty_database.alembic("-x", "lock-timeout-ms=200", "upgrade", "head")
        other.execute("ROLLBACK")
        assert execute(other, "SELECT version_num FROM alembic_version").fetchone() == (
            "004_create_key_management_system",
        )
    empty_database.alembic("upgrade", "head")
    empty_database.alembic("check")


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
def test_timeouts_for_applications_do_not_end_an_upgrade(empty_database: Database) -> None:
    """An index waits for an older transaction longer than any statement of this database may take."""
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as other, closing(empty_database.connect()) as reader:
        names = ["statement_timeout", "transaction_timeout", "idle_session_timeout"]
        for name in names:
            if execute(other, "SELECT current_setting(:name, true)", {"name": name}).fetchone() != (None,):
                execute(other, f"ALTER DATABASE \"{empty_database.name}\" SET {name} = '1500ms'")
        execute(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ")
        execute(reader, "SELECT count(*) FROM key_audit_logs")
        timer = threading.Timer(4, lambda: execute(reader, "COMMIT"))
        timer.start()
        try:
            empty_database.alembic("upgrade", "head")
        except CommandError as error:
            pytest.fail(str(error))
        finally:
            timer.join()
    engine = empty_database.engine()
    with engine.connect() as connection:
        with one_upgrade_at_a_time(connection, wait_seconds=1, lock_timeout_ms=1000):
            pass
        assert connection.scalar(sa.text("SELECT current_setting('statement_timeout')")) == "1500ms"
    engine.dispose()
