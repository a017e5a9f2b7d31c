"""docs/performance.md says what `scripts/benchmark.py` is."""

import re
import shlex

import click
import pytest

from benchmarks.command import main
from benchmarks.scales import SCALES
from benchmarks.targets import TARGETS
from support.engines.programs import REPOSITORY
from tests.docs.readers import commands

PAGE = (REPOSITORY / "docs" / "performance.md").read_text(encoding="utf-8")
COMMANDS = [line for line in commands(PAGE) if line.startswith("python scripts/benchmark.py")]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_has_options_that_there_are(line: str) -> None:
    words = shlex.split(line)[2:]
    main.make_context("benchmark.py", words)
    assert COMMANDS


def test_every_target_and_every_scale_has_its_row() -> None:
    assert re.findall(r"^\| (P\d+) \| [A-Z`]", PAGE, re.MULTILINE) == [target.number for target in TARGETS]
    how_to_run_it = PAGE.partition("\n## Data")[0]
    assert re.findall(r"^\| `(\w+)` \|", how_to_run_it, re.MULTILINE) == [name for name in SCALES if name != "tiny"]


def test_the_page_lists_the_targets_on_sqlite() -> None:
    listed = ", ".join(target.number for target in TARGETS if target.on_sqlite)
    before, _, last = listed.rpartition(", ")
    assert f"On SQLite: {before} and {last}." in PAGE


@pytest.mark.parametrize("engine", ["PostgreSQL", "SQLite"])
def test_the_page_has_a_section_for_results(engine: str) -> None:
    assert re.search(rf"<!-- measured on {engine} -->\n.*?<!-- end -->", PAGE, re.DOTALL)


def test_the_exit_statuses_of_the_page_are_those_of_the_help() -> None:
    statuses = re.findall(r"^\| (\d+) \| ", PAGE, re.MULTILINE)
    said = click.unstyle(main.help or "")
    assert statuses == re.findall(r"\b(\d+) (?:all|not|usage|cannot|interrupted)", said)
