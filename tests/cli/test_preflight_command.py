"""`kms-schema preflight` as a program: its verdict, and the exit status that says it."""

import json
import subprocess
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from support.concurrency.statements import kek, reparenting
from support.engines import Database
from support.programs.installed import kms_schema
from support.revisions import revisions
from support.statements import execute

SECRET = "sesam"  # noqa: S105


def preflight(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return kms_schema("preflight", "--database-url", database.url, *arguments)


def test_go_exits_0_with_the_verdict_last(empty_database: Database) -> None:
    done = preflight(empty_database)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[-1] == "GO"
    assert f"from nothing to {revisions()[-1]}" in lines
    assert "003_optimize_audit_indexes: nothing to do here" in lines
    assert "there is no table audit_logs of an application here" in done.stderr


def test_no_go_exits_1_and_says_what_is_in_the_way(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE TABLE key_versions (id integer)")
    done = preflight(empty_database)
    assert done.returncode == 1
    *_, problem, verdict = done.stdout.splitlines()
    assert verdict == "NO GO (1)"
    assert "Problem: " in done.stdout
    assert "another schema" in problem or "another file" in problem


def test_json_says_all_of_it(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    done = preflight(empty_database, "--format", "json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["go"], said["problems"]) == (0, True, [])
    assert (said["current"], said["target"]) == ("004_create_key_management_system", revisions()[-1])
    assert [each["revision"] for each in said["revisions"]] == revisions()[2:]
    for revision in said["revisions"]:
        assert any("CREATE TRIGGER" in statement for statement in revision["statements"])
    assert said["held"]
    assert set(said["disk"]) == {"needed_bytes", "free_bytes"}


def test_a_revision_that_is_none_exits_2(empty_database: Database) -> None:
    done = preflight(empty_database, "999")
    assert (done.returncode, done.stdout) == (2, "")
    assert "999" in done.stderr


def test_no_connection_exits_3_and_shows_no_password(empty_database: Database, tmp_path: Path) -> None:
    if empty_database.dialect == "sqlite":
        file = tmp_path / "notes.txt"
        file.write_text("no database, but long enough to be taken for one " * 100)
        url = f"sqlite:///{file}"
    else:
        url = sa.make_url(empty_database.url).set(password=SECRET, port=1).render_as_string(hide_password=False)
    done = kms_schema("preflight", "--database-url", url)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Error: ")
    assert SECRET not in done.stderr


def test_rows_that_break_a_rule_to_come_exit_1_before_and_in_the_upgrade(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as connection:
        first, second = kek(connection), kek(connection)
        for circular in (reparenting(first, second), reparenting(second, first)):
            execute(connection, circular.sql, circular.parameters)
    foreseen = preflight(empty_database)
    done = kms_schema("upgrade", "--database-url", empty_database.url)
    assert (foreseen.returncode, done.returncode) == (1, 1)
    assert done.stderr.count("Error: 2 rows violate rules of revision 005_optimize_key_management") == 1
    assert foreseen.stdout.endswith("NO GO (1)\n")
