"""Commands that entry points name: groups come and go with their distributions, and the kernel's stay as they are."""

import tomllib
from pathlib import Path

import click
import pytest

from kms_schema.cli import command_groups, program
from kms_schema.cli.command_groups import Commands, entries
from kms_schema.cli.lazy_group import Lazy, load
from support.engines.programs import REPOSITORY

KERNEL = {"validate": Lazy("kms_schema.cli.validate:validate_command", "Validate")}


def test_every_entry_point_names_a_table_and_every_command_has_one_place() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    named = {*project["entry-points"]["kms_schema.commands"].values()}
    assert set(entries()) == named
    of_groups = [*Commands({})]
    assert len(of_groups) == sum(len(load(place)) for place in named)
    kernel = {
        "audit",
        "current",
        "downgrade",
        "harden",
        "history",
        "preflight",
        "roles",
        "snapshot",
        "sql",
        "stamp",
        "upgrade",
    }
    assert sorted({*of_groups, *kernel, "validate"}) == program.list_commands(click.Context(program))
    assert {*of_groups} & {*kernel, "validate"} == set()


def test_no_entry_point_is_read_for_a_command_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(command_groups, "entries")
    assert Commands(KERNEL)["validate"] == KERNEL["validate"]
    with pytest.raises(NameError):
        Commands(KERNEL)["keys"]


def test_a_group_that_is_not_installed_has_no_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_groups, "entries", lambda: ["kms_schema.cli.none_such.table:IN_PROGRAM"])
    assert [*Commands(KERNEL)] == ["validate"]
    monkeypatch.setattr(command_groups, "entries", lambda: ["kms_schema.cli.none_such:IN_PROGRAM"])
    assert "keys" not in Commands(KERNEL)


def test_a_distribution_of_ours_adds_commands_and_replaces_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kms_schema_more", "somebody_else"):
        added = {"more": Lazy(f"{name}:command", name), "validate": Lazy(f"{name}:validate", name)}
        (tmp_path / f"{name}.py").write_text(f"from kms_schema.cli.lazy_group import Lazy\nTABLE = {added}\n")
        (tmp_path / f"{name}-1.0.dist-info").mkdir()
        (tmp_path / f"{name}-1.0.dist-info" / "entry_points.txt").write_text(
            f"[console_scripts]\nx = {name}:TABLE\n\n[kms_schema.commands]\nmore = {name}:TABLE\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Commands(KERNEL)
    assert (found["more"].help, found["validate"], "keys" in found) == ("kms_schema_more", KERNEL["validate"], True)
