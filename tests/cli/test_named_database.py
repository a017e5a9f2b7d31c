"""No command makes or changes a database that nobody named; a stamp and a preflight agree with the objects."""

import errno
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.database.url import redact
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs import python
from support.programs.commands import kms_schema
from support.statements import execute

COMMANDS = (
    ["upgrade"], ["downgrade", "base"], ["current"], ["stamp", "head"], ["preflight"], ["validate"], ["refresh"],
    ["audit", "seal"], ["audit", "status"], ["roles", "--apply"], ["harden", "--apply"], ["rotations", "due"],
    ["destroy-version", "k", "1", "--yes"], ["sql"],
)  # fmt: skip


@pytest.mark.parametrize("environment", [{}, {"KMS_DATABASE_URL": ""}], ids=["unset", "empty"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.only_on("sqlite")
def test_without_a_url_nothing_is_made(
    command: list[str], environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KMS_DATABASE_URL", raising=False)
    said = kms_schema(*command, environment=environment)
    assert said.status == 2
    assert "KMS_DATABASE_URL" in said.error
    assert "postgresql://user@host:5432/database or sqlite:///path/to/file.db" in said.error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("empty", [["--database-url", ""], ["--database-url", " "]])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_empty_option_is_an_error(command: list[str], empty: list[str], tmp_path: Path) -> None:
    said = kms_schema(*command, *empty)
    assert (said.status, "the given URL is empty" in said.error) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("command", [each for each in COMMANDS if each != ["sql"]], ids=" ".join)
def test_a_file_that_this_user_may_not_look_for_is_a_sentence(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, status = tmp_path / "closed" / "kms.db", Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        if path == file:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return status(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    said = kms_schema(*command, url=f"sqlite:///{file}")
    assert said.status in {2, 3}
    assert said.error


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("arguments", [["-x", "url=", "upgrade", "head"], ["upgrade", "head"]])
def test_alembic_takes_no_empty_url_for_that_of_its_configuration(arguments: list[str], tmp_path: Path) -> None:
    done = python.run(
        [sys.executable, "-m", "alembic", "-c", str(REPOSITORY / "alembic.ini"), *arguments],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY), "KMS_DATABASE_URL": ""},
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode != 0
    assert "is empty: write postgresql://" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", [["upgrade"], ["downgrade", "006"], ["stamp", "007"], ["audit", "seal"], ["refresh"]]
)
def test_what_is_written_is_printed_first(database: Database, command: list[str]) -> None:
    said = kms_schema(*command, url=database.url)
    assert said.status == 0
    assert said.target == f"database: {redact(database.url)}\n"


@pytest.mark.only_on("postgresql")
def test_a_stamp_makes_no_schema(database: Database) -> None:
    for more in ([], ["--unverified"]):
        said = kms_schema("stamp", "005", "--schema", "nosuch", *more, url=database.url)
        assert said.status == 3
        assert "there is no schema" in said.error
    with closing(database.connect()) as connection:
        assert execute(connection, "SELECT to_regnamespace('nosuch')").fetchone() == (None,)


@pytest.mark.parametrize("revision", ["base", "004", "006"])
def test_a_stamp_of_another_revision_than_that_of_the_objects_needs_a_flag(database: Database, revision: str) -> None:
    said = kms_schema("stamp", revision, url=database.url)
    assert said.status == 1
    assert "the objects are those of 007_record_key_changes, not those of" in said.error
    assert "--unverified" in said.error
    assert kms_schema("current", url=database.url).out.startswith("007")
    assert kms_schema("stamp", revision, "--unverified", url=database.url).status == 0
    assert not kms_schema("current", url=database.url).out.startswith("007")
    assert kms_schema("stamp", "head", url=database.url).status == 0
    assert kms_schema("current", url=database.url).out.startswith("007")


def test_a_stamp_of_an_empty_database_needs_a_flag(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE TABLE of_the_host (n integer)")
    said = kms_schema("stamp", "007", url=empty_database.url)
    assert said.status == 1
    assert "there are no objects, not those of 007_record_key_changes" in said.error


def test_a_stamp_where_a_table_is_gone_needs_a_flag(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "DROP TABLE key_audit_subtrees")
    said = kms_schema("stamp", "007", url=database.url)
    assert (said.status, "of 007_record_key_changes there is no table key_audit_subtrees" in said.error) == (1, True)


def emptied(database: Database) -> None:
    """Drop what the schema has, and keep the recorded revision."""
    with closing(database.connect()) as connection:
        if database.dialect == "postgresql":
            execute(connection, "CREATE TEMPORARY TABLE kept AS SELECT * FROM alembic_version")
            execute(connection, "DROP SCHEMA public CASCADE")
            execute(connection, "CREATE SCHEMA public")
            execute(connection, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
            execute(connection, "INSERT INTO alembic_version SELECT * FROM kept")
            return
        execute(connection, "PRAGMA foreign_keys = OFF")
        query = "SELECT type, name FROM sqlite_master WHERE type IN ('view', 'table') AND name NOT LIKE 'sqlite%'"
        for kind, name in execute(connection, query).fetchall():
            if name != "alembic_version":
                execute(connection, f"DROP {kind} {name}")


@pytest.mark.parametrize("recorded", ["005", "007"])
def test_a_preflight_of_a_database_whose_tables_are_gone_is_no_go(database: Database, recorded: str) -> None:
    emptied(database)
    assert kms_schema("stamp", recorded, "--unverified", url=database.url).status == 0
    said = kms_schema("preflight", url=database.url)
    assert said.status == 1
    assert "and has none of its objects: restore a backup" in " ".join(said.out.split())


def test_a_preflight_of_a_database_without_a_table_is_no_go(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "DROP TABLE key_audit_subtrees")
    said = kms_schema("preflight", url=database.url)
    assert said.status == 1
    assert "made it: missing are table key_audit_subtrees" in " ".join(said.out.split())


def test_a_preflight_reports_a_recorded_revision_that_is_not_that_of_the_objects(database: Database) -> None:
    assert kms_schema("stamp", "005", "--unverified", url=database.url).status == 0
    said = kms_schema("preflight", url=database.url)
    assert said.status == 1
    assert "kms-schema stamp 007_record_key_changes" in said.out


@pytest.mark.parametrize("command", [["upgrade"], ["downgrade", "base"], ["downgrade", "006"], ["downgrade", "003"]])
def test_a_migration_of_a_database_whose_tables_are_gone_ends_with_one_sentence(
    database: Database, command: list[str]
) -> None:
    emptied(database)
    recorded = "006" if command[0] == "upgrade" else "007"
    assert kms_schema("stamp", recorded, "--unverified", url=database.url).status == 0
    said = kms_schema(*command, "--lock-wait", "2", url=database.url)
    assert said.status == 1
    assert "Traceback" not in said.all
    assert "kms-schema validate" in said.error
