"""The kernel works alone: a wheel without what follows it in ARCHITECTURE.md, and without the commands of that."""

import re
import shutil
from pathlib import Path

import click
import pytest

from kms_schema.cli import program
from kms_schema.cli.command_groups import Commands, entries
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.import_graph import all_imports, modules
from support.programs.wheels import build_wheel, install
from tools.architecture import kernel, order

PROGRAM = ("cli", "pytest_plugin")
OUTSIDE = set(order()) - set(kernel()) - set(PROGRAM)
IGNORED = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests", "docs", "benchmarks")


def part_of(module: str) -> str:
    return f"{module}..".split(".")[1]


def commands_of_others() -> set[str]:
    """Return the modules of commands that import what is outside the kernel."""
    return {
        each.module for each in all_imports() if part_of(each.module) in PROGRAM and part_of(each.target) in OUTSIDE
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this repository that has the kernel, the program and those of its commands that need no more."""
    copy = tmp_path / "checkout"
    shutil.copytree(REPOSITORY, copy, symlinks=True, ignore=IGNORED)
    for name in OUTSIDE:
        shutil.rmtree(copy / "kms_schema" / name)
    for module in commands_of_others():
        (copy / modules()[module].relative_to(REPOSITORY)).unlink()
    for place in {*entries()}:
        shutil.rmtree(copy / modules()[place.partition(":")[0]].relative_to(REPOSITORY).parent)
    return copy


@pytest.mark.only_on("sqlite")
def test_a_wheel_of_the_kernel_upgrades_validates_seals_and_verifies(
    empty_database: Database, checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "wheel").mkdir()
    installed = install(build_wheel(checkout, tmp_path / "wheel"), tmp_path)

    def says(*words: str) -> str:
        done = installed.run(installed.program, *words, KMS_DATABASE_URL=empty_database.url)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    assert says("upgrade").startswith("the database is at ")
    assert "no drift" in says("validate", "--strict", "--level", "data")
    says("audit", "keygen", "kms.example/audit", "--output", "seal.key")
    says("audit", "seal", "--key", "seal.key")
    assert "sound" in says("audit", "verify", "--trust", "seal.key.pub")
    assert says("preflight")
    listed = re.findall(r"^  ([a-z-]+)  ", says("--help").partition("Commands:")[2], re.MULTILINE)
    assert listed == sorted({*program.list_commands(click.Context(program))} - {*Commands({})})
