"""Tests of all three views: random rows, the deployed text, and a refresh that does not block readers."""

import datetime as dt
import os
import re
from contextlib import closing
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from support.engines import Database
from support.engines.database import Connection
from support.rows import smallest
from support.rows.smallest import insert
from support.shared import SharedDatabase
from support.statements import execute
from support.views.oracle import Tables
from support.views.population import looks
from support.views.view_fixture import TABLES, VIEWS, ViewFixture, exactly, expected, newest, read

pytestmark = pytest.mark.versions("oldest and newest")

MATERIALIZED = ("key_management_dashboard", "key_health_monitor")
DAY = dt.timedelta(days=1)


@given(looks())
@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("KMS_TEST_EXAMPLES", "24")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_views_of_each_engine_equal_the_oracle(view_fixture: ViewFixture, case: tuple[Tables, dt.datetime]) -> None:
    """The same examples run on every engine, so the engines show the same as each other, too."""
    tables, at = case
    for view in VIEWS:
        view_fixture.look(view, at, **tables)


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("view", VIEWS)
def test_sqlite_keeps_the_text_of_a_views_file(shared: SharedDatabase, view: str) -> None:
    query = "SELECT sql FROM sqlite_schema WHERE name = :view"
    (deployed,) = execute(shared.connection, query, {"view": view}).fetchone()
    assert deployed == statement_of(shared.dialect, view)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("view", VIEWS)
def test_postgresql_has_understood_the_text_of_a_views_file(shared: SharedDatabase, view: str) -> None:
    """It keeps no text, so it is asked what it understands by the file today."""
    statement = re.sub(
        r"^CREATE (MATERIALIZED )?VIEW \S+", "CREATE TEMP VIEW of_file", statement_of("postgresql", view)
    )
    execute(shared.connection, statement.replace("{schema}", "public"))
    definitions = "SELECT pg_get_viewdef('of_file'::regclass), pg_get_viewdef(to_regclass(:view))"
    of_file, deployed = execute(shared.connection, definitions, {"view": f"public.{view}"}).fetchone()
    assert deployed == of_file


def statement_of(dialect: str, view: str) -> str:
    """Return the text of a view's file without the comment before it."""
    text = newest(dialect, view).text
    return text[text.index("\nCREATE") + 1 :]


COLUMNS = {
    "rotations_due": "id key_id key_type live_version reason reasons policy_id policy_name due_at overdue"
    " rotation_window_start rotation_window_end timezone",
    "key_management_dashboard": "row_key section key_type status hsm_provider key_count average_usage"
    " expiring_within_7_days expiring_within_30_days oldest_key_at newest_key_at day rotation_count completed_count"
    " failed_count success_rate average_execution_ms worst_execution_ms event_category security_level event_count"
    " average_risk_score max_risk_score generated_at",
    "key_health_monitor": "id key_id key_type algorithm status security_level hsm_provider created_at activated_at"
    " last_rotation_date expires_at expired_at revoked_at health_score usage_percentage days_until_expiration"
    " expires_alert security_warnings recent_security_events",
}


@pytest.mark.parametrize("view", VIEWS)
def test_the_columns_have_the_same_names_and_order_on_both_engines(shared: SharedDatabase, view: str) -> None:
    cursor = execute(shared.connection, f"SELECT * FROM {view}")  # noqa: S608
    assert [column[0] for column in cursor.description] == COLUMNS[view].split()


def populate(connection: Connection) -> None:
    """Insert keys that have something to say in every view, as a client does."""
    limits = {"rotation_interval_days": 30, "max_operations": 5}
    policy = insert(connection, "rotation_policies", **smallest.rotation_policy(**limits))
    at = smallest.now()
    times = {"created_at": at - 40 * DAY, "activated_at": at - 40 * DAY}
    ended = {"status": "FAILED", "started_at": at - DAY, "failed_at": at - DAY, "scheduled_at": at - DAY}
    given_up = {"retry_count": 3, "policy_id": policy["id"], "execution_time_ms": 7}
    alarm = {"event_category": "SECURITY", "security_level": "CRITICAL", "risk_score": 91}
    revoked = {"status": "revoked", "revoked_at": at - DAY}
    for over in ({"expires_at": at + 5 * DAY}, {"max_usage_count": 6, "security_level": "MAXIMUM"}, revoked):
        key = insert(connection, "key_masters", **smallest.active_key_master(**times | over))
        if key["status"] == "active":
            insert(connection, "key_versions", **smallest.live_key_version(key, **times, usage_count=6))
        insert(connection, "key_rotations", **smallest.key_rotation(key, **ended, **given_up))
        insert(connection, "key_audit_logs", **smallest.audit_entry(**alarm, key_id=key["id"]))


def refresh(connection: Connection, how: str = "") -> None:
    """Bring the materialized views up to date; those of SQLite always are."""
    if isinstance(connection, psycopg.Connection):
        for view in MATERIALIZED:
            execute(connection, f"REFRESH MATERIALIZED VIEW {how} {view}")


def test_the_deployed_views_show_the_database_as_it_is(shared: SharedDatabase) -> None:
    populate(shared.connection)
    refresh(shared.connection)
    tables = {table: read(shared.connection, shared.dialect, table) for table in TABLES}
    shown = {view: read(shared.connection, shared.dialect, view) for view in VIEWS}
    (at,) = {row["generated_at"] for row in shown["key_management_dashboard"]}
    assert {row["reason"] for row in shown["rotations_due"]} == {"incident"}
    for view in VIEWS:
        assert exactly(shown[view]) == exactly(expected(view, tables, at))


def test_row_keys_do_not_depend_on_the_date_style(shared: SharedDatabase) -> None:
    if shared.dialect == "postgresql":
        execute(shared.connection, "SET LOCAL DateStyle = 'German'")
    populate(shared.connection)
    refresh(shared.connection)
    of_days = "SELECT row_key FROM key_management_dashboard WHERE section <> 'keys'"
    keys = [key for (key,) in execute(shared.connection, of_days)]
    assert keys
    assert all(re.search(r"/20\d\d-\d\d-\d\d(/|$)", key) for key in keys)


@pytest.mark.only_on("postgresql")
def test_a_concurrent_refresh_rewrites_only_the_rows_that_changed(database: Database) -> None:
    with closing(database.connect()) as connection:
        populate(connection)
        refresh(connection, "CONCURRENTLY")
        first = stored(connection)
        refresh(connection, "CONCURRENTLY")
        assert stored(connection) == first
        execute(connection, "UPDATE key_masters SET expires_at = NULL WHERE expires_at IS NOT NULL")
        refresh(connection, "CONCURRENTLY")
        assert len(stored(connection) - first) == 1


def stored(connection: Connection) -> set[Any]:
    """Return where and by which transaction each row of the health monitor was written."""
    return set(execute(connection, "SELECT ctid::text, xmin::text, id FROM key_health_monitor"))
