"""ARCHITECTURE.md: each command, package, folder of tests and page is in one row; the files that it names exist."""

import re
import runpy

import click
import pytest

from kms_schema.cli import program
from support.engines.programs import REPOSITORY
from tools import architecture

TEXT = architecture.text()
ROWS = architecture.capabilities().values()
NO_PARTS = {"__init__", "__main__", "__pycache__"}


def parts_of(folder: str) -> set[str]:
    found = {file.stem for file in (REPOSITORY / folder).glob("[a-z_]*") if file.suffix in ("", ".py")}
    return found - NO_PARTS


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("commands", set(program.list_commands(click.Context(program)))),
        ("packages", parts_of("kms_schema")),
        ("tests", parts_of("tests") - {"conftest"}),
        ("pages", {page.stem for page in (REPOSITORY / "docs").glob("*.md")}),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_each_is_in_one_row(column: str, expected: set[str]) -> None:
    listed = [name for row in ROWS for name in getattr(row, column)]
    assert sorted(listed) == sorted(expected)


def test_a_capability_is_called_by_one_word() -> None:
    """It is the folder of its tests, and no other row has a package, a command or tests of that name."""
    for one in ROWS:
        assert one.name in one.tests
        others = [name for row in ROWS if row != one for name in (*row.commands, *row.packages, *row.tests)]
        assert one.name not in others


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([a-z_0-9/]+\.(?:py|sql))`", TEXT))))
def test_the_files_that_it_names_are_there(path: str) -> None:
    places = (REPOSITORY, REPOSITORY / "kms_schema", REPOSITORY / "kms_schema" / "validator")
    assert any((place / path).exists() for place in places) or list(REPOSITORY.glob(f"kms_schema/**/{path}")), path


def test_one_command_tests_each_capability() -> None:
    tests_of = runpy.run_path(str(REPOSITORY / "tools" / "test"))["tests_of"]
    for capability in ROWS:
        paths = tests_of(capability)
        assert {f"tests/{name}" for name in capability.tests} | {"tests/house"} <= set(paths)
        assert [path for path in paths if not (REPOSITORY / path).exists()] == []
