"""ARCHITECTURE.md: each command, package, folder of tests and page is in one row; the files that it names exist."""

import re

import click
import pytest

from kms_schema.cli import program
from support.engines.programs import REPOSITORY

TEXT = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.partition("## Capabilities")[2].partition("## Four walks")[0].splitlines()
    if line.startswith("| ") and "capability" not in line
]
NO_PARTS = {"__init__", "__main__", "__pycache__"}


def column(number: int) -> list[str]:
    return [name for row in ROWS for name in row[number].split(", ") if name]


def parts_of(folder: str) -> set[str]:
    found = {file.stem for file in (REPOSITORY / folder).glob("[a-z_]*") if file.suffix in ("", ".py")}
    return found - NO_PARTS


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, set(program.list_commands(click.Context(program)))),
        (2, parts_of("kms_schema")),
        (3, parts_of("tests") - {"conftest"}),
        (4, {page.stem for page in (REPOSITORY / "docs").glob("*.md")}),
    ],
    ids=["commands", "packages", "tests", "pages"],
)
def test_each_is_in_one_row(number: int, expected: set[str]) -> None:
    listed = column(number)
    assert sorted(listed) == sorted(expected)


def test_a_capability_is_called_by_one_word() -> None:
    """It is the folder of its tests, and no other row has a package, a command or tests of that name."""
    for word, *cells in ROWS:
        assert word in cells[2].split(", ")
        others = [name for row in ROWS if row[0] != word for cell in row[1:4] for name in cell.split(", ")]
        assert word not in others


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([a-z_0-9/]+\.(?:py|sql))`", TEXT))))
def test_the_files_that_it_names_are_there(path: str) -> None:
    places = (REPOSITORY, REPOSITORY / "kms_schema", REPOSITORY / "kms_schema" / "validator")
    assert any((place / path).exists() for place in places) or list(REPOSITORY.glob(f"kms_schema/**/{path}")), path
