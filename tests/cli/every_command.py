"""Every command, with words for what it requires."""

from collections.abc import Iterator
from pathlib import Path

import click

from kms_schema.cli import program
from kms_schema.cli.lazy_group import LazyGroup


def leaves(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield each command with its names."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, LazyGroup):
            yield from leaves(command, *names, name)
        elif command is not None:
            yield (*names, name), command


COMMANDS = {" ".join(names): (names, command) for names, command in leaves(program)}


def value_of(parameter: click.Parameter, folder: Path) -> str:
    if isinstance(parameter.type, click.Choice):
        return str(parameter.type.choices[0])
    if isinstance(parameter.type, click.Path):
        return str(folder if not parameter.type.file_okay else folder / "file")
    return "1"


def words_of(name: str, folder: Path) -> list[str]:
    """Return a command with what it requires, and with `--format json` and `--output` where it has them."""
    names, command = COMMANDS[name]
    words = list(names)
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            words += [value_of(parameter, folder)] if parameter.required else []
        elif parameter.required:
            words += [parameter.opts[0], value_of(parameter, folder)]
        elif parameter.name == "style":
            words += ["--format", "json"]
        elif parameter.name == "output":
            words += ["--output", str(folder / "output")]
        elif parameter.name in {"applying", "probe"}:
            words += parameter.opts[:1]
    return words
