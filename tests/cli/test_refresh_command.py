"""`kms-schema refresh` as cron and people run it."""

import json
from contextlib import closing

import pytest

from kms_schema.rotations.refresh import Refreshed
from support.engines import Database
from support.engines.database import Connection
from support.login_roles import login
from support.programs.commands import kms_schema
from support.rows.smallest import active_key_master, insert, live_key_version
from support.statements import execute


def used_key(connection: Connection) -> None:
    key = insert(connection, "key_masters", **active_key_master())
    insert(connection, "key_versions", **live_key_version(key))
    execute(connection, "UPDATE key_versions SET usage_count = 3")


def test_it_says_what_it_did(database: Database) -> None:
    with closing(database.connect()) as connection:
        used_key(connection)
    said = kms_schema("refresh", url=database.url)
    assert (said.status, said.err) == (0, "")
    quiet = kms_schema("refresh", "-q", url=database.url)
    assert (quiet.status, quiet.out, quiet.err) == (0, "", ""), "so that cron sends no mail"
    if database.dialect == "sqlite":
        assert said.out == "the views of SQLite are never stale; the use of 1 key was updated\n"
        return
    dashboard, monitor = said.out.splitlines()
    assert dashboard.startswith("key_management_dashboard: as of 20")
    assert monitor.startswith("key_health_monitor: as of 20")
    assert monitor.endswith(" s")


def test_it_says_so_as_json(database: Database) -> None:
    with closing(database.connect()) as connection:
        used_key(connection)
    said = kms_schema("refresh", "--format", "json", url=database.url)
    document = json.loads(said.out)
    assert (document["keys_counted"], document["left_to_another_session"]) == (
        1 if database.dialect == "sqlite" else None,
        False,
    )
    views = ["key_management_dashboard", "key_health_monitor"] if database.dialect == "postgresql" else []
    assert [view["view"] for view in document["views"]] == views


@pytest.mark.only_on("postgresql")
def test_what_another_host_has_refreshed_meanwhile_is_reported(database: Database) -> None:
    nothing = Refreshed()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("kms_schema.cli.rotations.refresh.refresh", lambda *_: nothing)
        said = kms_schema("refresh", url=database.url)
    assert (said.status, said.out) == (0, "another session has refreshed the views: nothing to do\n")


@pytest.mark.only_on("postgresql")
def test_who_may_not_refresh_is_told_so_without_the_password(database: Database) -> None:
    with login(database) as nobody:
        said = kms_schema("refresh", url=nobody.url)
    assert said.status == 3
    assert "permission denied for function refresh_key_views" in said.error
    assert nobody.url not in said.error


def test_a_database_without_the_schema_is_told_what_to_do(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE TABLE something (else_entirely integer)")
    said = kms_schema("refresh", url=empty_database.url)
    assert said.status == 3
    assert "kms-schema upgrade" in said.error
