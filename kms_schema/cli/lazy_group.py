"""Groups of commands that import a command when it is used: importing all would cost each the slowest one's imports."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from kms_schema.cli import configuration, messages
from kms_schema.cli.arguments import closest


class Lazy(NamedTuple):
    """A command that is not imported yet."""

    where: str
    """Its place, as `module:name`."""
    help: str
    """The command in a listing: imperative, at most 45 characters."""


def load(where: str) -> Any:
    """Import a place that is written as `module:name`, and return it."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


class LazyGroup(click.Group):
    """A group that imports a command when it is called; `--help` imports none."""

    def __init__(self, *arguments: Any, lazy: Mapping[str, Lazy], words: Sequence[str] = (), **options: Any) -> None:
        """Take the commands by name, and the words that name the group, in addition to click's own arguments."""
        super().__init__(*arguments, **options)
        self._lazy = lazy
        self._words = words

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return sorted(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command and return it; None if no command has this name."""
        del ctx
        if cmd_name not in self._lazy:
            return None
        command: click.Command = load(self._lazy[cmd_name].where)
        messages.add_options(command)
        configuration.name_variables(command, self._path(cmd_name))
        configuration.refuse_unstorable(command)
        return command

    def _path(self, name: str) -> list[str]:
        """Return the words of a command: those after the name of the program."""
        return [*self._words, name]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments begin with; raises `UsageError` with similar names without one."""
        name = args[0]
        if name in self._lazy or ctx.resilient_parsing or name.startswith("-"):
            found, command, rest = super().resolve_command(ctx, args)
            if command and not (
                ctx.resilient_parsing or isinstance(command, click.Group) or {"-h", "--help"} & {*rest}
            ):
                try:
                    configuration.refuse_empty(command, rest)
                    command.context_settings["default_map"] = configuration.defaults_of(
                        command, self._path(name), partial(_names, ctx)
                    )
                except click.UsageError as error:
                    if (of_command := getattr(command, "usage_error", None)) is None:
                        raise
                    raise of_command(error.format_message(), error.ctx) from None
            return found, command, rest
        similar = list(self._similar(ctx, name))
        hint = f" Did you mean {' or '.join(similar)}?" if similar else f" {ctx.command_path} --help lists them."
        raise click.UsageError(f"No such command {name!r}.{hint}", ctx)

    def _similar(self, ctx: click.Context, name: str) -> Iterator[str]:
        """Yield the commands whose names are similar, and those of the groups below that have exactly this name."""
        for each in closest(name, self._lazy):
            yield f"{ctx.command_path} {each}"
        for each in self._lazy:
            group = self.get_command(ctx, each)
            if isinstance(group, LazyGroup) and name in group.list_commands(ctx):
                yield f"{ctx.command_path} {each} {name}"

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the listing of `--help` without importing a command."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(self.short_helps())

    def short_helps(self) -> list[tuple[str, str]]:
        """Return each command with its short help, in order."""
        return [(name, self._lazy[name].help) for name in sorted(self._lazy)]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin as typed, with their short helps; none is imported."""
        found = [CompletionItem(name, help=text) for name, text in self.short_helps() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def _names(context: click.Context | None) -> list[list[str]]:
    """Return the names of the commands of each group down to that of a context."""
    if context is None or not isinstance(context.command, LazyGroup):
        return []
    return [*_names(context.parent), context.command.list_commands(context)]
