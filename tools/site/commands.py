"""The pages of the command line: every command and option, with the text that `--help` prints."""

import inspect
import re
from collections.abc import Iterator

import click

from kms_schema.cli import program
from kms_schema.cli.configuration import configurable, is_common
from support.prose import commands as every_command

_MARKUP = re.compile(r"([*_<\[\]`|\\])")


def commands(group: click.Group = program) -> list[str]:
    """Return the names of the commands of the program, in order."""
    return group.list_commands(click.Context(group))


def variable_rows() -> list[tuple[str, str]]:
    """Return each command with the variables of the options that no other command has, in Markdown.

    dict(variable_rows())["`kms-schema audit checkpoint`"] == "`KMS_AUDIT_CHECKPOINT_SEAL`"
    """
    own = {
        name: [f"`{each.envvar}`" for each in configurable(command) if each.envvar and not is_common(each)]
        for name, command in every_command().items()
    }
    return [(f"`{name}`", " ".join(found)) for name, found in own.items() if found]


def command_page(name: str) -> str:
    """Return the page of a command of the program, with the commands below it.

    command_page("refresh").startswith("# kms-schema refresh")
    """
    parent = click.Context(program, info_name="kms-schema")
    command = program.get_command(parent, name)
    if command is None:
        raise ValueError(f"there is no command {name}")
    return "\n\n".join(_sections(command, name, parent, 1)) + "\n"


def _sections(command: click.Command, name: str, parent: click.Context, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield f"{'#' * level} {context.command_path}"
    yield from _text(command.help or "")
    words = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{words}\n```"
    options = (each for each in command.get_params(context) if isinstance(each, click.Option))
    records = (option.get_help_record(context) for option in options)
    yield "\n\n".join(f"`{option}`\n: {_escaped(text) or 'No description.'}" for option, text in filter(None, records))
    yield from _text(command.epilog or "")
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from _sections(found, below, context, level + 1)


def _text(text: str) -> Iterator[str]:
    r"""Yield the paragraphs of a help. Those after a line `\b` keep their lines: what is indented there is code."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = paragraph.strip("\n").split("\n")
        if lines[0].strip() != "\b":
            yield _escaped(" ".join(line.strip() for line in lines))
            continue
        words = [line for line in lines[1:] if not line.startswith(" ")]
        code = [line for line in lines[1:] if line.startswith(" ")]
        if len(words) > 1:
            yield "```text\n" + "\n".join(lines[1:]) + "\n```"
            continue
        yield from map(_escaped, words)
        if code:
            yield "```sh\n" + inspect.cleandoc("\n" + "\n".join(code)) + "\n```"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
