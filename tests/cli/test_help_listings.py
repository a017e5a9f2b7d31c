"""The listings of commands: imperative, at most 45 characters, and written without importing a command."""

import re
import subprocess
import sys

import click
import pytest

from kms_schema.cli import program
from kms_schema.cli.lazy_group import LazyGroup
from kms_schema.cli.rotations import running
from kms_schema.keyring import CachePolicy, policy
from tests.support.prose import commands

HELP_OF_EVERY_COMMAND = """
import sys
import click
from kms_schema.cli import program, run

def names(group, before=()):
    for name in group.list_commands(None):
        yield (*before, name)
        command = group.get_command(None, name)
        if isinstance(command, click.Group):
            yield from names(command, (*before, name))

SLOW = {"sqlalchemy", "psycopg", "alembic", "cryptography"}
for words in names(program):
    status = run([*words, "--help"])
    if status or SLOW & set(sys.modules):
        sys.exit(f"{words} {status}: {SLOW & set(sys.modules)}")
print(len(list(names(program))), "commands", file=sys.stderr)
"""
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


def test_each_option_of_each_command_has_a_help() -> None:
    named = {
        name: [each for each in command.params if isinstance(each, click.Option)]
        for name, command in commands().items()
    }
    assert sum(map(len, named.values())) > 300
    assert [(name, each.opts) for name, found in named.items() for each in found if not (each.help or "").strip()] == []


def test_a_listing_imports_no_command() -> None:
    program = (
        "import sys; from kms_schema.cli import run; run(['--help']);"
        " print(*[name for name in sys.modules if name.startswith('kms_schema.')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    own = {
        f"kms_schema.cli.{name}"
        for name in ("arguments", "configuration", "interrupts", "lazy_group", "messages", "on_use", "streams")
    }
    assert set(done.stderr.split()) == {"kms_schema._version", "kms_schema.printable", "kms_schema.cli", *own}


def test_the_help_of_no_command_imports_what_is_slow() -> None:
    done = subprocess.run([sys.executable, "-c", HELP_OF_EVERY_COMMAND], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.endswith(" commands\n")) == (0, True), done.stderr


def test_options_that_stand_apart_from_the_library_agree_with_it() -> None:
    assert (CachePolicy.max_age, policy.LONGEST_AGE) == (running.MAX_AGE, running.LONGEST_AGE)
