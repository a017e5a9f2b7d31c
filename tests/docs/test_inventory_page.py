"""docs/inventory.md: its commands, and its example in Python."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

from kms_schema.cli import run
from support.engines import Database
from support.engines.programs import REPOSITORY
from tests.inventory.keys_of_each_kind import fill

PAGE = (REPOSITORY / "docs" / "inventory.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(kms-schema inventory .*)$", PAGE, re.MULTILINE)
(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.only_on("sqlite")
def test_the_commands_and_the_example(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(database)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KMS_DATABASE_URL", database.url)
    assert len(COMMANDS) == 4
    for command in COMMANDS:
        words = command.partition(" > ")[0].split()[1:]
        capfd.readouterr()
        assert run(words) == 0
    assert json.loads(capfd.readouterr().out)["totals"]["versions"] == 14
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys-1.7.cdx.json", "keys.cdx.json", "keys.csv"]
    file = database.url.removeprefix("sqlite:///")
    opened = sqlite3.connect(file)
    monkeypatch.setattr(sqlite3, "connect", lambda _name: opened)
    exec(EXAMPLE, {})  # noqa: S102  (the example of the page)
    opened.close()
    assert " 14\n" in capfd.readouterr().out


def test_each_state_of_the_table_is_explained() -> None:
    assert {"`suspended`", "`compromised`", "`deactivated`"} <= set(
        re.findall(r"`[a-z-]+`", PAGE.partition("## Strength")[0])
    )
