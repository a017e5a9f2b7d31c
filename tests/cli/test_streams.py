"""Standard streams that are full, closed, or of a terminal with few characters: one sentence, and never a traceback."""

import io
import subprocess
import sys
from contextlib import closing, redirect_stdout
from pathlib import Path

import pytest

from kms_schema.cli import progress, run
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs import python
from support.programs.commands import kms_schema
from support.rows.smallest import insert, key_master
from support.statements import execute

COMMANDS = (
    "--help", "--version", "history", "current", "preflight", "sql", "validate", "validate --format html",
    "audit status", "audit verify", "audit checkpoint", "refresh", "rotations due", "upgrade", "roles",
    "audit append --event-type X --category SECURITY --description x",
)  # fmt: skip
"""Commands of every kind that print, each as people type it."""


@pytest.fixture
def sealed(database: Database) -> Database:
    """A database with a seal, and names that no latin-1 terminal can show."""
    with closing(database.connect()) as connection:
        insert(connection, "key_masters", **key_master(key_id="ключ-€"))
        execute(connection, 'CREATE TABLE "таблица" (n integer)')
    assert kms_schema("audit", "seal", url=database.url).status == 0
    return database


def words(command: str, database: Database) -> list[str]:
    named = [] if command.startswith("--") or command == "history" else ["--database-url", database.url]
    return [sys.executable, "-m", "kms_schema", *command.split(), *named]


def test_sql_is_the_same_under_each_encoding() -> None:
    """A character that is spelled otherwise would be another trigger."""
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with redirect_stdout(terminal):
        assert run(["sql", "--engine", "sqlite"]) == 0
    written = terminal.buffer.getvalue().decode()
    assert "\ufffd" in written
    assert written == kms_schema("sql", "--engine", "sqlite").out


def in_a_shell(script: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script, "bash", *command], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def test_a_full_device_ends_in_one_sentence(sealed: Database) -> None:
    for command in COMMANDS:
        if command == "roles" and sealed.dialect == "sqlite":
            continue
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            process = python.Popen(words(command, sealed), stdout=full, stderr=subprocess.PIPE, text=True)
            said = process.communicate()[1]
        assert process.returncode == 3, (command, said)
        assert said.splitlines()[-1] == "Error: cannot write the output: No space left on device"
        assert "Traceback" not in said


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("streams", [">&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full", ">/dev/full 2>&-"])
def test_closed_and_full_streams_end_with_exit_status_3(sealed: Database, streams: str) -> None:
    done = in_a_shell(f'"$@" {streams}', words("audit status", sealed))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == ("Error: cannot write the output: Bad file descriptor\n" if streams == ">&-" else "")


@pytest.mark.only_on("sqlite")
def test_a_closed_standard_error_changes_no_result(sealed: Database) -> None:
    assert in_a_shell('"$@" 2>&-', words("validate", sealed)).returncode == 0


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("command", ["history", "validate --format json"])
def test_a_reader_that_has_gone_gets_no_message(sealed: Database, command: str) -> None:
    done = in_a_shell('"$@" | true; exit "${PIPESTATUS[0]}"', words(command, sealed))
    assert (done.returncode in {0, 3}, done.stdout, done.stderr) == (True, "", "")


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("command", "locale"),
    [
        ("validate --strict", "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"),
        ("rotations due", "PYTHONIOENCODING=latin-1"),
        pytest.param("preflight", "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0", marks=pytest.mark.full),
    ],
)
def test_a_terminal_with_few_characters(sealed: Database, command: str, locale: str) -> None:
    done = in_a_shell(f'{locale} "$@"', words(command, sealed))
    assert done.returncode in {0, 1}, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.only_on("sqlite")
def test_progress_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "on_terminal", lambda: True)
    monkeypatch.setattr(progress, "width", lambda _stream: 60)
    progress.show("x" * 100)
    assert capsys.readouterr().err == f"\r{'x' * 59}\r"
