"""docs/anomalies.md: its commands run as they are written."""

import re
import shlex

import pytest

from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs.commands import kms_schema

PAGE = (REPOSITORY / "docs" / "anomalies.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^kms-schema (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(database: Database, command: str) -> None:
    done = kms_schema(*shlex.split(command), url=database.url)
    assert (done.status, done.err) == (0, "")
