"""A refresh updates everything and keeps neither readers, writers nor another one waiting; pg_cron can run it."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema.rotations import RotationError
from kms_schema.rotations.refresh import Refreshed, refresh
from support.engines import Database, EngineUnavailableError
from support.engines.database import Connection
from support.engines.pg_cron import start_with_pg_cron
from support.engines.programs import REPOSITORY
from support.errors import raises
from support.login_roles import login
from support.rows.smallest import active_key_master, insert, live_key_version
from support.statements import adapt, dialect_of, execute

VIEWS = ["key_management_dashboard", "key_health_monitor"]
AT_ONCE = 4


def used_key(connection: Connection, uses: int) -> Any:
    """Insert a key whose live version is used since, and return its id."""
    key = insert(connection, "key_masters", **active_key_master())
    insert(connection, "key_versions", **live_key_version(key))
    counted = "UPDATE key_versions SET usage_count = :uses WHERE key_id = :key"
    execute(connection, counted, {"uses": uses, "key": adapt(key["id"], dialect_of(connection))})
    return key["id"]


def use(connection: Connection) -> list[int]:
    return [count for (count,) in execute(connection, "SELECT usage_count FROM key_masters ORDER BY usage_count")]


def shown(connection: Connection) -> int:
    """Return how many keys the dashboard has counted."""
    query = "SELECT coalesce(sum(key_count), 0) FROM key_management_dashboard"
    return int(execute(connection, query).fetchone()[0])


def names(done: Refreshed) -> list[str]:
    return [view.name for view in done.views]


@pytest.mark.versions("oldest and newest")
def test_a_refresh_updates_and_reports_views_and_totals(database: Database) -> None:
    with closing(database.connect()) as connection:
        used_key(connection, 3)
        used_key(connection, 0)
        done = refresh(connection)
        assert use(connection) == [0, 3]
        assert shown(connection) == 2
        if database.dialect == "sqlite":
            assert done == Refreshed(keys=1)
            assert refresh(connection) == Refreshed(keys=0)
            return
        assert names(done) == VIEWS
        known = execute(connection, "SELECT view_name, refreshed_at FROM key_view_refreshes").fetchall()
        assert dict(known) == {view.name: view.as_of for view in done.views}


@pytest.mark.versions("oldest and newest")
def test_totals_never_fall_where_versions_have_gone(database: Database) -> None:
    with closing(database.connect()) as connection:
        key = used_key(connection, 3)
        execute(
            connection, "UPDATE key_masters SET usage_count = 10 WHERE id = :key", {"key": adapt(key, database.dialect)}
        )
        refresh(connection)
        assert use(connection) == [10]


@pytest.mark.versions("oldest and newest")
@pytest.mark.only_on("postgresql")
def test_a_session_that_quotes_all_identifiers_refreshes(database: Database) -> None:
    with closing(database.connect()) as connection:
        used_key(connection, 3)
        execute(connection, "SET quote_all_identifiers = on")
        failed = ""
        try:
            assert names(refresh(connection)) == VIEWS
        except (psycopg.Error, RotationError) as error:
            failed = str(error)
        assert failed == ""
        assert use(connection) == [3]


@pytest.mark.versions("oldest and newest")
@pytest.mark.only_on("postgresql")
def test_where_one_refreshes_the_others_do_nothing_once_it_has(database: Database) -> None:
    """A session whose attempt comes just after the commit refreshes once more, so there are several rounds."""
    with closing(database.connect()) as first, closing(database.connect()) as second:
        assert any(_waits_for(first, second, database) for _ in range(10))
        assert names(refresh(second)) == VIEWS


def _waits_for(first: Connection, second: Connection, database: Database) -> bool:
    """Refresh in one session while another one waits, and return whether that one had nothing to do."""
    assert isinstance(second, psycopg.Connection)
    execute(first, "BEGIN")
    assert names(refresh(first)) == VIEWS
    with ThreadPoolExecutor(1) as pool, closing(database.connect()) as observer:
        waiting = pool.submit(refresh, second)
        # Each attempt commits twice: after three commits the waiting session knows the time to compare with.
        commits: set[object] = set()
        query = "SELECT state_change FROM pg_stat_activity WHERE pid = :pid AND (state, query) = ('idle', 'COMMIT')"
        while len(commits) < 3:
            commits.update(execute(observer, query, {"pid": second.info.backend_pid}).fetchall())
            assert not waiting.done()
        execute(first, "COMMIT")
        return waiting.result().left_to_another


@pytest.mark.versions("oldest and newest")
@pytest.mark.only_on("postgresql")
def test_any_number_of_hosts_may_refresh_at_once(database: Database) -> None:
    def some(_: int) -> list[Refreshed]:
        with closing(database.connect()) as connection:
            return [refresh(connection) for _ in range(5)]

    with closing(database.connect()) as connection:
        used_key(connection, 1)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = [each for refreshed in pool.map(some, range(AT_ONCE)) for each in refreshed]
    assert any(names(each) == VIEWS for each in done)
    assert all(each.left_to_another or names(each) == VIEWS for each in done)
    with closing(database.connect()) as connection:
        assert shown(connection) == 1


@pytest.mark.versions("oldest and newest")
@pytest.mark.only_on("postgresql")
def test_a_refresh_waits_for_no_reader_of_the_views(database: Database) -> None:
    with closing(database.connect()) as reader, closing(database.connect()) as connection:
        execute(reader, "BEGIN")
        assert shown(reader) == 0
        execute(reader, "SELECT count(*) FROM key_health_monitor").fetchone()
        used_key(connection, 1)
        execute(connection, "SET lock_timeout = '2s'")
        assert names(refresh(connection)) == VIEWS
        assert shown(reader) == 1


@pytest.mark.versions("oldest and newest")
@pytest.mark.only_on("postgresql")
def test_a_locked_key_is_counted_by_the_next_refresh(database: Database) -> None:
    with closing(database.connect()) as writer, closing(database.connect()) as connection:
        key = used_key(connection, 3)
        used_key(connection, 2)
        execute(writer, "BEGIN")
        execute(writer, "UPDATE key_masters SET max_usage_count = 9 WHERE id = :key", {"key": key})
        execute(connection, "SET lock_timeout = '2s'")
        assert names(refresh(connection)) == VIEWS
        assert use(connection) == [0, 2]
        execute(writer, "COMMIT")
        refresh(connection)
        assert use(connection) == [2, 3]


@pytest.mark.versions("oldest and newest")
@pytest.mark.only_on("postgresql")
def test_a_view_that_a_restore_left_empty_is_filled(database: Database) -> None:
    with closing(database.connect()) as connection:
        used_key(connection, 1)
        for view in VIEWS:
            execute(connection, f"REFRESH MATERIALIZED VIEW {view} WITH NO DATA")
        refresh(connection)
        assert shown(connection) == 1


@pytest.mark.versions("oldest and newest")
@pytest.mark.only_on("postgresql")
def test_a_refresh_needs_only_execute_on_the_function(database: Database) -> None:
    with (
        login(database) as nobody,
        closing(nobody.connect()) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        refresh(connection)
    with login(database, "EXECUTE ON FUNCTION refresh_key_views()") as caller, closing(caller.connect()) as connection:
        assert names(refresh(connection)) == VIEWS


@pytest.mark.versions("oldest and newest")
@pytest.mark.only_on("postgresql")
def test_an_older_revision_is_refused(database: Database) -> None:
    database.alembic("downgrade", "004")
    with closing(database.connect()) as connection:
        with raises(RotationError, "refresh", match=r"there is no public.refresh_key_views.*kms-schema upgrade"):
            refresh(connection)
        with raises(RotationError, "refresh", match=r"there is no nowhere.refresh_key_views"):
            refresh(connection, "nowhere")


PAGE = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
(BLOCK,) = re.findall(r"^```sql\n(CREATE EXTENSION .*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SECONDS = 60


def test_pg_cron_refreshes_the_views_as_documented() -> None:
    """But for the schedule, which would have the test wait for five minutes."""
    try:
        server = start_with_pg_cron()
    except EngineUnavailableError as error:
        pytest.fail(str(error), pytrace=False)
    with closing(server):
        database = server.create()
        database.alembic("upgrade", "head")
        with login(database, "EXECUTE ON FUNCTION refresh_key_views()") as sealer:
            names = {"kms": sa.make_url(database.url).database, "sealer": sa.make_url(sealer.url).username}
            with closing(server.administer()) as administrator:
                script = BLOCK.replace("'*/5 * * * *'", "'1 second'").replace("kms.refresh", "public.refresh")
                for word, name in names.items():
                    script = script.replace(f"'{word}'", f"'{name}'")
                for _ in range(2):  # a second time it changes nothing
                    administrator.execute(script.encode())
                with closing(database.connect()) as connection:
                    insert(connection, "key_masters", **active_key_master())
                    deadline = time.monotonic() + SECONDS
                    query = "SELECT sum(key_count) FROM key_management_dashboard"
                    while execute(connection, query).fetchone() != (1,):
                        runs = administrator.execute(
                            "SELECT status, return_message FROM cron.job_run_details"
                        ).fetchall()
                        assert time.monotonic() < deadline, runs
                        time.sleep(0.2)
                assert administrator.execute("SELECT count(*) FROM cron.job").fetchone() == (1,)
                # The job stays: a run that is ending counts as failed if it is removed meanwhile.
                statuses = "SELECT status FROM cron.job_run_details WHERE status NOT IN ('starting', 'running')"
                deadline = time.monotonic() + SECONDS
                while not (found := administrator.execute(statuses).fetchall()) and time.monotonic() < deadline:
                    time.sleep(0.2)
                assert set(found) == {("succeeded",)}
