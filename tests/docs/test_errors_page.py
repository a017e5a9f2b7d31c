"""docs/errors.md: its example, run as written. `test_documentation.py` compares the table with the classes."""

import re
from pathlib import Path
from typing import Any

import pytest

from support.engines import Database
from support.pages import Page

PAGE = Page("errors.md")


def run(url: str, capsys: pytest.CaptureFixture[str]) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.text, re.DOTALL)
    done: dict[str, Any] = {}
    exec(compile(code.replace("sqlite:///kms.db", url), PAGE.name, "exec"), done)  # noqa: S102
    done["engine"].dispose()
    return capsys.readouterr().out


def test_the_example_catches_an_error_of_each_family(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(database.url, capsys) == "UnknownKeyError: there is no key named 'orders'\n"
    assert run(f"sqlite:///{tmp_path}/missing/kms.db", capsys).startswith("DatabaseUnavailableError: ")
