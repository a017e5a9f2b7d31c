"""The table of exit statuses in docs/operations.md holds for every command."""

import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs import python
from support.programs.commands import kms_schema

COMMANDS = {
    "upgrade": "--lock-wait 0.5", "downgrade 006": "--lock-wait 0.5", "stamp 007": "", "current": "", "preflight": "",
    "validate": "", "audit seal": "--lock-wait 0.5", "audit status": "", "audit verify": "", "audit checkpoint": "",
    "refresh": "--lock-wait 0.5", "rotations due": "", "destroy-version k 1 --yes": "",
}  # fmt: skip
"""Commands with the option that limits their wait; the others wait ten seconds."""
NO_DATABASE = "postgresql://me@127.0.0.1:1/kms"


def test_the_page_has_every_status() -> None:
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", page, re.MULTILINE) == ["0", "1", "2", "3", "4", "130"]


@pytest.mark.parametrize("command", COMMANDS)
def test_usage_is_2_and_no_connection_is_3(command: str) -> None:
    assert kms_schema(*command.split(), "--no-such-option").status == 2
    assert kms_schema(*command.split(), url="kms.db").status == 2
    assert kms_schema(*command.split(), url=NO_DATABASE).status == 3
    if command != "preflight":  # of a file that an upgrade would create
        assert kms_schema(*command.split(), url="sqlite:////no/such/folder/kms.db").status == 3


@pytest.mark.only_on("sqlite")
def test_a_locked_file_ends_every_command_with_3_and_within_its_limit(database: Database) -> None:
    file = sa.make_url(database.url).database
    assert file is not None
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("PRAGMA journal_mode = DELETE")
        holder.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        running = {
            command: python.Popen(
                [sys.executable, "-m", "kms_schema", *command.split(), *limit.split(), "--database-url", database.url],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for command, limit in COMMANDS.items()
        }  # fmt: skip
        ended = {command: process.communicate(timeout=120) for command, process in running.items()}
        assert time.monotonic() - begun < 60
    assert {command: process.returncode for command, process in running.items()} == dict.fromkeys(COMMANDS, 3), ended
    assert [error for _, error in ended.values() if "locked" not in error and "has been writing" not in error] == []
    out, error = ended["validate"]
    assert (out, "database is locked; another process holds the lock of the file: run this again" in error) == (
        "",
        True,
    ), error
