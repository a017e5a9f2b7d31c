"""The page on alerts: a section for each, commands that exist, statements and files that are accepted."""

import os
import re
from pathlib import Path

import click

from kms_schema.monitoring.alerting.rule_file import rule_file
from support import prose
from support.engines.programs import REPOSITORY
from support.engines.prometheus import find_program, tool
from support.rows import smallest
from support.rows.smallest import insert
from support.shared import SharedDatabase
from support.statements import execute
from tests.docs.readers import Reader, blocks_of, section

PAGE = (REPOSITORY / "docs" / "alerts.md").read_text(encoding="utf-8")


def test_each_alert_has_a_section() -> None:
    found = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    assert sorted(found) == sorted(re.findall(r"- alert: (\w+)", rule_file()))
    assert re.findall(r"^\| \[(Kms\w+)\]", PAGE, re.MULTILINE) == found, "the order of the table"


def test_each_command_exists_with_its_options() -> None:
    found = re.findall(r"(?:^|`)kms-schema ([^`>\n]+)", PAGE, re.MULTILINE)
    assert len(found) > 30
    for typed in found:
        words = typed.split()
        path = next(path for size in (2, 1) if (path := " ".join(("kms-schema", *words[:size]))) in prose.commands())
        path = "kms-schema metrics export" if path == "kms-schema metrics" else path  # its options may come at once
        options = {
            name for each in prose.commands()[path].params if isinstance(each, click.Option) for name in each.opts
        }
        assert {word for word in words if word.startswith("--")} <= options, typed


def test_the_set_up_is_accepted_as_typed(tmp_path: Path) -> None:
    blocks = section("alerts.md", "Set up")
    reader = Reader(tmp_path)
    folders = [str(find_program(name).parent) for name in ("promtool", "amtool")]
    reader.environment["PATH"] = os.pathsep.join([*folders, reader.environment["PATH"]])
    said = reader.types(block for block in blocks if block.language == "sh")
    assert said.count("SUCCESS") == 2, said
    reader.types(section("alerts.md", "Thresholds"))
    assert "> 7200" in (tmp_path / "kms.rules.yml").read_text(encoding="utf-8")
    (yaml,) = [block for block in blocks if block.language == "yaml"]
    (tmp_path / "prometheus.yml").write_text(yaml.text, encoding="utf-8")
    ran = tool("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert (ran.returncode, "1 rule files found" in ran.stdout) == (0, True), ran.stdout + ran.stderr


def test_each_statement_runs(shared: SharedDatabase) -> None:
    statements = [block.text for block in blocks_of(PAGE) if block.language == "sql"]
    assert len(statements) == 4
    key = insert(shared.connection, "key_masters", **smallest.active_key_master(key_id="orders-2026"))
    for statement in statements:
        execute(shared.connection, statement)
    (moved,) = execute(shared.connection, "SELECT expires_at FROM key_masters WHERE expires_at IS NOT NULL").fetchone()
    assert (str(moved)[:10], key["key_id"]) == ("2030-01-01", "orders-2026")
