"""The listings of commands: imperative, at most 45 characters, and written without importing a command."""

import re
import subprocess
import sys

import click
import pytest

from kms_schema.cli import program
from kms_schema.cli.lazy_group import LazyGroup

LONGEST = 45
CONTEXT = click.Context(program)
GROUPS = {
    "kms-schema": program,
    **{
        name: command
        for name in program.list_commands(CONTEXT)
        if isinstance(command := program.get_command(CONTEXT, name), LazyGroup)
    },
}
LINE = re.compile(r"^  (?P<name>[a-z-]+)  +(?P<help>\S.*)$", re.MULTILINE)


@pytest.mark.parametrize("group", GROUPS)
def test_each_command_has_one_short_line(group: str) -> None:
    listing = GROUPS[group].get_help(click.Context(GROUPS[group])).partition("Commands:\n")[2]
    lines = {match["name"]: match["help"] for match in LINE.finditer(listing)}
    assert list(lines) == GROUPS[group].list_commands(CONTEXT)
    assert [
        text for text in lines.values() if len(text) > LONGEST or not re.fullmatch(r"[A-Z][a-z-]+,? .*[^.]", text)
    ] == []


def test_a_listing_imports_no_command() -> None:
    program = (
        "import sys; from kms_schema.cli import run; run(['--help']);"
        " print(*[name for name in sys.modules if name.startswith('kms_schema.')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    own = {f"kms_schema.cli.{name}" for name in ("arguments", "interrupts", "lazy_group", "streams")}
    assert set(done.stderr.split()) == {"kms_schema._version", "kms_schema.cli", *own}
