"""Shell completion with values, manual pages, and output for terminals of every kind."""

import os
import sys

import pytest
from click.shell_completion import ShellComplete

from kms_schema.cli import program
from kms_schema.migrate.program import history
from kms_schema.validator import RULES
from kms_schema.vocabulary import KeyStatus, KeyType
from support.engines import Database
from support.programs import python
from support.programs.commands import kms_schema
from tools.man_pages import pages

REVISIONS = [each.revision for each in history()]


@pytest.mark.parametrize(
    ("words", "begun", "values"),
    [
        ("upgrade", "", ["base", "head", *REVISIONS]),
        ("sql", "004:006", ["004:006_prove_audit_trail"]),
        (
            "validate --select",
            "KMS101,KMS10",
            [f"KMS101,{each}" for each in RULES if each[:5] == "KMS10" and each != "KMS101"],
        ),
        ("keys list --type", "", [each.value for each in KeyType]),
        ("keys list --status", "", [each.value for each in KeyStatus]),
        ("keys", "re", ["revoke"]),
    ],
)
def test_values_are_completed(words: str, begun: str, values: list[str]) -> None:
    found = ShellComplete(program, {}, "kms-schema", "_KMS_SCHEMA_COMPLETE").get_completions(words.split(), begun)
    assert [each.value for each in found] == values


def test_each_command_has_a_manual_page_in_ascii() -> None:
    found = dict(pages())
    assert {"kms-schema.1", "kms-schema-keys.1", "kms-schema-audit-seal.1"} <= set(found)
    for name, text in found.items():
        assert text.isascii(), name
        assert [head for head in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS") if f".SH {head}\n" not in text] == []


def test_a_terminal_of_ascii_gets_ascii() -> None:
    command = [sys.executable, "-m", "kms_schema", "refresh", "--help"]
    done = python.run(command, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout.isascii(), "postgresql+psycopg://..." in done.stdout) == (0, True, True)


@pytest.mark.only_on("sqlite")
def test_colours_are_forced_and_refused(database: Database) -> None:
    def coloured(**environment: str) -> bool:
        return "\x1b[" in kms_schema("validate", url=database.url, environment=environment).out

    assert not coloured()
    assert coloured(FORCE_COLOR="1")
    assert not coloured(FORCE_COLOR="1", NO_COLOR="1")
    assert not coloured(FORCE_COLOR="0")
