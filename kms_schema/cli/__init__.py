"""The program `kms-schema`: each command is a few lines over a library call, in a module that is imported
when it is used.

Exit status: 0 done or clean, 1 findings or "no", 2 usage, 3 cannot connect or not allowed, 4 sealed but not published,
130 interrupted.
"""

import gc
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from kms_schema._version import __version__
from kms_schema.database_url import DatabaseUrl

# Name of each command, and where it is: importing them all would cost every command the imports of the
# slowest.
_COMMANDS = {
    "audit": "kms_schema.cli.audit:audit",
    "current": "kms_schema.cli.migrations:current",
    "destroy-version": "kms_schema.cli.destroy_version:destroy_version",
    "downgrade": "kms_schema.cli.migrations:downgrade",
    "harden": "kms_schema.cli.harden:harden",
    "history": "kms_schema.cli.migrations:history",
    "preflight": "kms_schema.cli.preflight:preflight_command",
    "refresh": "kms_schema.cli.refresh:refresh_command",
    "rewrap": "kms_schema.cli.rewrap:rewrap_command",
    "roles": "kms_schema.cli.roles:roles",
    "rotations": "kms_schema.cli.rotations:rotations",
    "sql": "kms_schema.cli.migrations:sql",
    "stamp": "kms_schema.cli.migrations:stamp",
    "upgrade": "kms_schema.cli.migrations:upgrade",
    "validate": "kms_schema.cli.validate:validate_command",
}


class CannotConnect(click.ClickException):
    """There is no connection, or it may not do what was asked: exit status 3."""

    exit_code = 3


def existing_file(target: DatabaseUrl) -> Path:
    """Return the file of a SQLite database, which must be there: opening one that is not would make it."""
    refuse_memory(target)
    assert target.database is not None  # noqa: S101
    path = Path(target.database.removeprefix("file:"))
    if not path.is_file():
        raise CannotConnect(f"there is no file {path}; to make the database there, run: kms-schema upgrade")
    return path


def refuse_memory(target: DatabaseUrl) -> None:
    """Refuse a SQLite database in memory, which is gone when a command ends."""
    if target.engine == "sqlite" and target.database in (None, "", ":memory:"):
        raise CannotConnect("a database in memory is new and empty; name a file: sqlite:///path/to/file.db")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def __init__(self, *arguments: Any, where: Mapping[str, str], **options: Any) -> None:
        """Take beside click's own what each command is called and where it is, as `module:name`."""
        super().__init__(*arguments, **options)
        self._where = where

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, for --help."""
        del ctx
        return sorted(self._where)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now, or None."""
        del ctx
        if cmd_name not in self._where:
            return None
        module, _, attribute = self._where[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101
        return command


@click.group(cls=LazyGroup, where=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kms-schema")
def program() -> None:
    """Make, check and look after the database of a key-management system."""


def main(arguments: Sequence[str] | None = None, name: str = "kms-schema") -> NoReturn:
    """Run the program and exit; `arguments` are those of the command line unless given."""
    # What a command imports is never garbage: looking for some takes a fifth of the time of a short one, as it ends.
    gc.set_threshold(50_000)
    status = run(arguments, name)
    gc.freeze()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_standard_output()
    sys.exit(status)


def run(arguments: Sequence[str] | None = None, name: str = "kms-schema") -> int:
    """Run the program and return its exit status; click's own would make an interruption look like
    findings.
    """
    try:
        result = program.main(arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return 130
    except BrokenPipeError:
        _let_go_of_standard_output()
        return 1
    return result if isinstance(result, int) else 0


def _let_go_of_standard_output() -> None:
    """Nobody reads any more (`… | head`): keep Python from complaining about it when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
