"""Groups of commands that import a command when it is used: importing all would cost each the slowest one's imports."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from kms_schema.cli.on_use import load


class Lazy(NamedTuple):
    """A command that is not imported yet."""

    where: str
    """Its place, as `module:name`."""
    help: str
    """The command in a listing: imperative, at most 45 characters."""


class LazyGroup(click.Group):
    """A group that imports a command when it is called; `--help` imports none."""

    def __init__(self, *arguments: Any, lazy: Mapping[str, Lazy], **options: Any) -> None:
        """Take the commands by name, in addition to click's own arguments."""
        super().__init__(*arguments, **options)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return sorted(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command and return it; None if there is none of this name."""
        del ctx
        if cmd_name not in self._lazy:
            return None
        command: click.Command = load(self._lazy[cmd_name].where)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the listing of `--help` without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._lazy[name].help) for name in self.list_commands(ctx)])
