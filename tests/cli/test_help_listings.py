"""The listings of commands: imperative, at most 45 characters, and written without importing a command."""

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pytest

from kms_schema.cli import program
from kms_schema.cli.arguments import closest
from kms_schema.cli.command_groups import entries
from kms_schema.cli.lazy_group import LazyGroup
from kms_schema.cli.rotations import running
from kms_schema.keyring import CachePolicy
from kms_schema.keyring.use import cache
from support.programs.commands import kms_schema
from support.prose import commands

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


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """The help of each command by its name, as a terminal of 80 columns shows it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        return {name: found.get_help(click.Context(found, info_name=name)) for name, found in commands().items()}


def test_each_help_fits_into_80_columns(helps: dict[str, str]) -> None:
    assert len(helps) > 60
    assert [(name, line) for name, text in helps.items() for line in text.splitlines() if len(line) > 80] == []


def test_the_helps_name_only_the_variables_that_are_set_once_for_all_commands(helps: dict[str, str]) -> None:
    """Each other option has a variable of its command, which docs/command-line.md explains and no help lists."""
    named = {name for text in helps.values() for name in re.findall(r"KMS_[A-Z_]+", text)}
    assert named == {
        "KMS_DATABASE_URL", "KMS_HSMS", "KMS_ROOT_KEYS", "KMS_SCHEMA", "KMS_SEAL_KEY", "KMS_VERSION_TABLE",
    }  # fmt: skip


def test_each_example_of_a_help_can_be_typed(helps: dict[str, str]) -> None:
    """Lines that belong together end with a backslash, and the options of our commands exist."""
    examples = {
        name: re.search(r"^ *Examples?.*:\n((?: +\S.*\n?)+)", text, re.MULTILINE) for name, text in helps.items()
    }
    lines = [
        (name, line)
        for name, found in examples.items()
        for line in re.sub(r"\\\n *", "", textwrap.dedent(found[1] if found else "")).splitlines()
    ]
    assert len(lines) > 80
    assert [each for each in lines if each[1].startswith(" ")] == []
    assert [(name, option) for name, line in lines for option in unknown_options(line)] == []


def unknown_options(line: str) -> list[str]:
    """Return the options of a line that the command of ours in it does not have."""
    words = shlex.split(re.split(r" \| | && ", line)[0], comments=True)
    while words and words[0] != "kms-schema":
        words = words[1:]
    names = [" ".join(words[:number]) for number in (3, 2)]
    called = next((commands()[name] for name in names if name in commands()), None)
    names = called.list_commands(CONTEXT) if isinstance(called, click.Group) else []
    below = [called.get_command(CONTEXT, each) for each in names] if isinstance(called, click.Group) else []
    known = {option for command in (called, *below) if command for each in command.params for option in each.opts}
    return [word for word in words if word.startswith("--") and word not in known]


def test_a_listing_imports_no_command() -> None:
    program = (
        "import sys; from kms_schema.cli import run; run(['--help']);"
        " print(*[name for name in sys.modules if name.startswith('kms_schema.')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    own = {
        f"kms_schema.cli.{name}"
        for name in ("arguments", "command_groups", "configuration", "interrupts", "lazy_group", "messages", "streams")
    }
    tables = {place.partition(":")[0] for place in entries()}
    assert set(done.stderr.split()) == {
        "kms_schema._version",
        "kms_schema.database",
        "kms_schema.database.sources",
        "kms_schema.database.url",
        "kms_schema.errors",
        "kms_schema.files",
        "kms_schema.files.inputs",
        "kms_schema.text",
        "kms_schema.text.printable",
        "kms_schema.text.storable",
        "kms_schema.database.url_parameters",
        "kms_schema.cli",
        *own,
        *tables,
    }


def test_the_help_of_no_command_imports_what_is_slow() -> None:
    done = subprocess.run([sys.executable, "-c", HELP_OF_EVERY_COMMAND], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.endswith(" commands\n")) == (0, True), done.stderr


def test_options_that_stand_apart_from_the_library_agree_with_it() -> None:
    assert (CachePolicy.max_age, cache.LONGEST_AGE) == (running.MAX_AGE, running.LONGEST_AGE)


def test_a_mistyped_name_suggests_what_was_meant_and_no_more() -> None:
    """Two letters that changed places, in each command and each long option."""
    for path, command in commands().items():
        groups = command.list_commands(click.Context(command)) if isinstance(command, click.Group) else []
        options = [name for each in command.params for name in each.opts if name.startswith("--")]
        for known in (groups, options):
            for name in known:
                place = len(name) // 2
                typed = name[:place] + name[place + 1 :][:1] + name[place] + name[place + 2 :]
                if typed not in known:
                    assert name in closest(typed, known), (path, typed)
    assert kms_schema("upgarde").error.endswith("Did you mean kms-schema upgrade?")
    assert kms_schema("keys", "crate").error.endswith("Did you mean kms-schema keys create?")
    assert kms_schema("validate", "--levle").error.endswith("Did you mean '--level'?")


def test_a_file_that_cannot_be_used_shows_no_usage_of_the_command(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for words in (
        ("validate", "--waivers", missing),
        ("audit", "seal", "--key", missing),
        ("audit", "verify", "--trust", missing),
        ("keys", "encrypt", "orders", missing, "--root-key", f"kms://root={missing}"),
        ("keys", "create", "orders", "--under", "kms://root", "--root-key", f"kms://root={missing}"),
        ("handover", "show", missing),
        ("audit", "keygen", "example/x", "--output", str(tmp_path / "none" / "key")),
    ):
        without = words[0] == "handover" or words[1] == "keygen"
        said = kms_schema(*words, url=None if without else "sqlite:///none.db")
        assert (said.status, "Usage:" in said.err, str(tmp_path) in said.error) == (2, False, True), said.err
