"""The page on the command line: its lists are those of the code, its file is accepted, its lines for shells work."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kms_schema.cli.configuration import TYPED_ONLY
from kms_schema.database.sources import PROJECT_OPTIONS
from support.engines.programs import REPOSITORY
from support.programs.commands import kms_schema

PAGE = (REPOSITORY / "docs" / "command-line.md").read_text("utf-8")


def test_the_page_has_the_options_with_one_variable_and_those_of_the_command_line_only() -> None:
    table = re.search(r"\| option \| variable \|\n(.*?)\n\n", PAGE, re.DOTALL)
    assert table is not None
    assert set(re.findall(r"`--([a-z-]+)`", table[1])) == PROJECT_OPTIONS
    paragraph = next(each for each in PAGE.split("\n\n") if each.startswith("These are given on the command line only"))
    assert set(re.findall(r"`--([a-z0-9-]+)`", paragraph)) == TYPED_ONLY - {"database-url", "help"}


@pytest.mark.only_on("sqlite")
def test_the_file_of_the_page_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    (tmp_path / "pyproject.toml").write_text(block[1].replace("postgresql://db.example/kms", "sqlite:///none.db"))
    monkeypatch.chdir(tmp_path)
    for command in (["validate"], ["audit", "status"]):
        said = kms_schema(*command)
        assert (said.status, said.error.startswith("Error: there is no file")) == (3, True), said.all


@pytest.mark.only_on("sqlite")
def test_the_line_for_bash_defines_a_completion() -> None:
    program = "from kms_schema.cli import main; main()"
    environment = {"_KMS_SCHEMA_COMPLETE": "bash_source", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert "complete -o nosort -F _kms_schema_completion kms-schema" in done.stdout, done.stderr
