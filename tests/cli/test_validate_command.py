"""The real executable: exit statuses, where what is written, and that neither tracebacks nor passwords are shown."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.validator import RULES
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs.installed import SCRIPT, kms_schema

DRIFT = "CREATE INDEX extra ON key_audit_logs (user_id)"
on_either_engine = pytest.mark.only_on("sqlite")
"""What a report looks like and where it goes does not depend on the engine; tests beside these read each."""


def drift(database: Database) -> None:
    with closing(database.connect()) as connection:
        connection.execute(DRIFT)


def test_a_clean_database_exits_0_with_the_verdict_last(database: Database) -> None:
    done = kms_schema("validate", "--database-url", database.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("no drift: ")


def test_findings_exit_1_on_standard_output(database: Database) -> None:
    drift(database)
    done = kms_schema("validate", "--database-url", database.url)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("error KMS132 index extra: index unexpected\n")
    assert "fix:      DROP INDEX" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("drift detected: 1 error")
    assert "\x1b" not in done.stdout


def test_the_url_comes_from_the_environment_and_the_script_runs_anywhere(database: Database, tmp_path: Path) -> None:
    done = kms_schema(str(SCRIPT), cwd=tmp_path, KMS_DATABASE_URL=database.url)
    assert (done.returncode, done.stderr) == (0, "")


@on_either_engine
def test_json_is_one_document(database: Database) -> None:
    drift(database)
    done = kms_schema("validate", "--database-url", database.url, "--format", "json")
    document = json.loads(done.stdout)
    assert (document["clean"], document["summary"]["error"]) == (False, 1)
    finding = document["findings"][0]
    assert (finding["code"], finding["object"], finding["actual"][:12]) == ("KMS132", "index extra", "CREATE INDEX")
    assert finding["severity"] == "error"
    assert finding["title"] == RULES["KMS132"].title


@on_either_engine
def test_github_gets_annotations(database: Database) -> None:
    drift(database)
    done = kms_schema("validate", "--database-url", database.url, "--format", "github")
    assert done.stdout.startswith("::error title=KMS132 index extra::index unexpected: ")


@on_either_engine
def test_a_report_in_a_file_leaves_standard_output_empty(database: Database, tmp_path: Path) -> None:
    drift(database)
    target = tmp_path / "report.json"
    done = kms_schema("validate", "--database-url", database.url, "--format", "json", "--output", str(target))
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(target.read_text(encoding="utf-8"))["verdict"] in done.stderr


@on_either_engine
def test_codes_are_selected_and_ignored_by_their_beginning(database: Database) -> None:
    drift(database)
    for options in (["--ignore", "KMS13"], ["--select", "KMS14"], ["--select", "KMS1", "--ignore", "KMS132"]):
        done = kms_schema("validate", "--database-url", database.url, *options)
        assert done.returncode == 0
        assert "left out" in done.stdout


@on_either_engine
def test_warnings_fail_where_that_is_asked_for(database: Database) -> None:
    with closing(database.connect()) as connection:
        connection.execute("CREATE TABLE invoices (id integer)")
    arguments = ["validate", "--database-url", database.url, "--strict"]
    assert kms_schema(*arguments).returncode == 0
    assert kms_schema(*arguments, "--fail-on", "warning").returncode == 1


@pytest.mark.parametrize(
    "options", [["--select", "KMS6"], ["--select", "KMS5,KMS902"], ["--select", "KMS146", "--ignore", "KMS14"]]
)
def test_codes_of_which_a_run_checks_none_are_refused(database: Database, options: list[str]) -> None:
    """`--select KMS6` without `--probe` said "no drift"."""
    done = kms_schema("validate", "--database-url", database.url, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"none of the selected codes ({', '.join(options[1].split(','))})" in done.stderr


def test_a_server_that_does_not_answer_exits_3_without_the_password() -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/kms?sslpassword=hunter2"
    done = kms_schema("validate", "--database-url", url)
    assert (done.returncode, done.stdout) == (3, "")
    assert "postgresql://me:***@127.0.0.1:1/kms" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_missing_file_exits_3_and_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "no.db"
    done = kms_schema("validate", "--database-url", f"sqlite:///{file}")
    assert (done.returncode, done.stdout) == (3, "")
    assert "there is no file" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_or_schema_that_is_not_there_exits_3(database: Database) -> None:
    if database.dialect == "sqlite":
        return
    for arguments in (["--database-url", database.url + "_not"], ["--database-url", database.url, "--schema", "none"]):
        done = kms_schema("validate", *arguments)
        assert (done.returncode, done.stdout) == (3, "")


@on_either_engine
def test_a_reader_that_leaves_is_no_error_message(database: Database) -> None:
    command = f"'{sys.executable}' -m kms_schema validate --database-url '{database.url}' --format json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.stderr == ""
