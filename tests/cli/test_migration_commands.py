"""`kms-schema upgrade`, `downgrade`, `current`, `history`, `stamp` and `sql`: what each does, says and exits with."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.migrate import program
from kms_schema.migrate.options import MigrationOptions
from support.catalog import catalog, differences
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs.commands import kms_schema
from support.revisions import revisions
from support.rows.population import all_rows
from support.rows.smallest import audit_entry, insert
from support.statements import execute

AT_004 = "the database is at 004_create_key_management_system\n"


def head() -> str:
    return revisions()[-1]


def at_head() -> str:
    return f"the database is at {head()}\n"


def has_tables(database: Database) -> bool:
    with closing(database.connect()) as connection:
        return bool(all_rows(connection))


def test_up_to_a_revision_up_to_the_newest_and_down_again(empty_database: Database) -> None:
    url = empty_database.url
    assert kms_schema("upgrade", "004", url=url).out == AT_004
    assert kms_schema("upgrade", url=url).out == at_head()
    again = kms_schema("upgrade", url=url)
    assert (again.status, again.out, again.err) == (0, at_head(), "")
    assert kms_schema("validate", url=url).status == 0
    assert kms_schema("downgrade", "004", url=url).out == AT_004
    assert has_tables(empty_database)
    done = kms_schema("downgrade", "base", url=url)
    assert (done.status, done.out) == (0, "the database is at base\n")
    assert not has_tables(empty_database)


def test_an_upgrade_tells_each_revision_on_standard_error(empty_database: Database) -> None:
    said = kms_schema("upgrade", url=empty_database.url)
    assert [revision for revision in revisions() if revision in said.err] == list(revisions())
    assert "Context impl" not in said.err
    assert said.out == at_head()


def test_relative_revisions_are_understood(database: Database) -> None:
    steps = len(revisions()) - 2
    assert kms_schema("downgrade", "--database-url", database.url, "--", f"-{steps}").out == AT_004
    assert kms_schema("upgrade", f"+{steps}", url=database.url).out == at_head()


@pytest.mark.parametrize("command", ["upgrade", "sql", "preflight"])
def test_steps_beyond_the_history_are_wrong_usage(database: Database, command: str) -> None:
    for typed in ("head+1", "base-1", "kms@base-1"):
        said = kms_schema(command, typed, url=database.url)
        assert (said.status, f"{typed}: there is no revision so many steps away" in said.error) == (2, True), said.all


@pytest.mark.parametrize("typed", [":head", "004:", ":", "1:2:3", "head+1:head", "base-1:head"])
def test_a_range_has_two_ends(typed: str) -> None:
    said = kms_schema("sql", typed, "--engine", "postgresql")
    assert (said.status, f"{typed}: a range of revisions is FROM:TO, such as 004:head" in said.error) == (2, True), said


def test_current_says_where_the_database_stands_and_how_far_behind_that_is(database: Database) -> None:
    said = kms_schema("current", url=database.url)
    assert (said.status, said.out, said.err) == (0, f"{head()} (the newest)\n", "")
    kms_schema("downgrade", "003", url=database.url)
    behind = len(revisions()) - 1
    said = kms_schema("current", url=database.url)
    assert said.out == f"003_optimize_audit_indexes (behind by {behind}, the newest is {head()})\n"
    written = json.loads(kms_schema("current", "--format", "json", url=database.url).out)
    assert written == {"current": ["003_optimize_audit_indexes"], "head": head(), "behind": behind}
    kms_schema("downgrade", "base", url=database.url)
    assert kms_schema("current", url=database.url).out.startswith("not migrated (behind by ")
    assert json.loads(kms_schema("current", "--format", "json", url=database.url).out)["current"] == []


def test_current_changes_nothing(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE TABLE invoices (id integer)")
        before = catalog(connection)
        assert kms_schema("current", url=empty_database.url).status == 0
        assert differences(before, catalog(connection)) == {}


def test_history_lists_the_revisions_oldest_first_without_a_database(tmp_path: Path) -> None:
    said = kms_schema("history")
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(revisions())
    assert max(map(len, lines)) <= 80
    written = json.loads(kms_schema("history", "--format", "json").out)
    assert [each["revision"] for each in written] == list(revisions())
    assert [each["down_revision"] for each in written] == [None, *revisions()[:-1]]
    assert all(each["summary"].endswith(".") for each in written)
    assert list(tmp_path.iterdir()) == []


def test_stamp_writes_the_revision_down_and_changes_nothing_else(database: Database) -> None:
    with closing(database.connect()) as connection:
        before = catalog(connection)
        assert kms_schema("stamp", "004", "--unverified", url=database.url).out == AT_004
        assert execute(connection, "SELECT version_num FROM alembic_version").fetchall() == [
            ("004_create_key_management_system",)
        ]
        assert kms_schema("stamp", "head", url=database.url).out == at_head()
        assert differences(before, catalog(connection)) == {}


@pytest.mark.parametrize(
    "words", [["upgrade"], ["downgrade", "base"], ["stamp", "004", "--unverified"], ["current"]], ids=" ".join
)
def test_a_version_table_of_its_own_is_the_only_one_looked_at(database: Database, words: list[str]) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "ALTER TABLE alembic_version RENAME TO kms_alembic_version")
        execute(connection, "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
        execute(connection, "INSERT INTO alembic_version VALUES ('ae1027a6acf')")
        said = kms_schema(*words, "--version-table", "kms_alembic_version", url=database.url)
        assert said.status == 0, said.err
        assert execute(connection, "SELECT version_num FROM alembic_version").fetchall() == [("ae1027a6acf",)]


def test_a_host_that_shares_its_version_table_may_be_read_but_not_upgraded(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "INSERT INTO alembic_version VALUES ('ae1027a6acf')")
    written = json.loads(kms_schema("current", "--format", "json", url=database.url).out)
    assert (written["current"], written["behind"]) == (sorted([head(), "ae1027a6acf"]), 0)
    for words in (["upgrade"], ["downgrade", "base"], ["stamp", "004", "--unverified"]):
        said = kms_schema(*words, url=database.url)
        assert said.status == 1
        assert f"alembic_version has the unknown revision 'ae1027a6acf' beside {head()}" in said.error
        assert "alembic upgrade kms@head" in said.error
    assert has_tables(database)


def test_a_populated_audit_trail_is_destroyed_only_when_that_is_said(database: Database) -> None:
    with closing(database.connect()) as connection:
        insert(connection, "key_audit_logs", **audit_entry())
        insert(connection, "key_audit_logs", **audit_entry())
        before = catalog(connection)
        for target in ("003", "base"):
            said = kms_schema("downgrade", target, url=database.url)
            assert said.status == 1
            assert "2 entries" in said.error
            assert "--allow-audit-loss" in said.error
            assert "-x" not in said.error
        assert differences(before, catalog(connection)) == {}
    assert kms_schema("downgrade", "003", "--allow-audit-loss", url=database.url).status == 0
    assert not has_tables(database)


def test_sql_is_what_alembic_writes_and_nothing_else_is_on_standard_output(database: Database) -> None:
    for ours, theirs in (
        (["sql"], ["upgrade", "head"]),
        (["sql", "004:005"], ["upgrade", "004:005"]),
        (["sql", "--down", "head:base"], ["downgrade", "head:base"]),
    ):
        said = kms_schema(*ours, url=database.url)
        assert said.status == 0
        assert said.out == database.alembic(*theirs, "--sql")
    loss = kms_schema("sql", "--down", "head:base", "--allow-audit-loss", url=database.url)
    assert loss.out == database.alembic("-x", "allow-audit-loss=yes", "downgrade", "head:base", "--sql")


def test_sql_connects_to_nothing_and_goes_into_a_file(tmp_path: Path) -> None:
    file = tmp_path / "upgrade.sql"
    said = kms_schema("sql", "--output", str(file), url="postgresql://me:hunter2@127.0.0.1:1/kms")
    assert (said.status, said.out) == (0, "")
    assert file.read_text(encoding="utf-8") == kms_schema("sql", "--engine", "postgresql").out
    assert "hunter2" not in file.read_text(encoding="utf-8") + said.all
    assert kms_schema("sql", "--engine", "sqlite").out.startswith("BEGIN;")


def test_the_library_does_what_the_program_does(empty_database: Database) -> None:
    url = empty_database.url
    program.upgrade(url, "004")
    program.upgrade(url)
    assert program.current(url) == (head(),)
    program.downgrade(url, "004", MigrationOptions(lock_wait=5))
    program.stamp(url, "003")
    assert program.current(url) == ("003_optimize_audit_indexes",)
    assert program.sql(url, "003:004") == kms_schema("sql", "003:004", url=url).out
    assert [each.revision for each in program.history()] == list(revisions())


def test_the_url_comes_from_the_environment_and_python_m_is_the_program(database: Database, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kms_schema", "current"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "KMS_DATABASE_URL": database.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{head()} (the newest)\n", "")
    assert list(tmp_path.iterdir()) == []
