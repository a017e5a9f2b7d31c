"""Write the manual pages of the commands, from the text that `--help` prints, in ASCII.

    python -m tools.man_pages FOLDER    then: man -l FOLDER/kms-schema-validate.1

They are built, and not committed: packages for a system install them.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from kms_schema._version import __version__
from kms_schema.cli import program
from kms_schema.cli.streams import to_ascii


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each page: the program, then each command below it.

    assert "kms-schema-audit-seal.1" in dict(pages())
    """
    yield from _pages(program, click.Context(program, info_name="kms-schema"))


def _pages(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    name = context.command_path.replace(" ", "-")
    yield f"{name}.1", to_ascii("\n".join(_lines(command, context, name))) + "\n"
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            if below is not None:
                yield from _pages(below, click.Context(below, info_name=word, parent=context))


def _lines(command: click.Command, context: click.Context, name: str) -> Iterator[str]:
    help_text = inspect.cleandoc(command.help or "")
    first = re.split(r"[.:;]\s|\.$", " ".join(help_text.split("\n\n")[0].split()))[0]
    yield f'.TH "{name.upper()}" 1 "" "kms-schema {__version__}" "kms-schema"'
    yield from (".SH NAME", f"{_escaped(name)} \\- {_escaped(first)}")
    yield from (".SH SYNOPSIS", f".B {_escaped(context.command_path)}")
    yield _escaped(" ".join(command.collect_usage_pieces(context)))
    yield ".SH DESCRIPTION"
    yield from _paragraphs(help_text)
    yield ".SH OPTIONS"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield from (".TP", f".B {_escaped(record[0])}", _escaped(" ".join(record[1].split())) or "No description.")
    if isinstance(command, click.Group):
        yield ".SH COMMANDS"
        for word, text in command.short_helps():  # type: ignore[attr-defined]
            yield from (".TP", f".B {_escaped(f'{name}-{word}')}(1)", _escaped(text))
    if command.epilog:
        yield ".SH EXAMPLES AND EXIT STATUS"
        yield from _paragraphs(inspect.cleandoc(command.epilog))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.strip("\n").split("\n")
        if lines[0].strip() == "\b":
            yield from (".PP", ".nf", *map(_escaped, lines[1:]), ".fi")
        else:
            yield from (".PP", _escaped(" ".join(line.strip() for line in lines)))


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def main() -> int:
    """Write the pages into the folder that the command line names."""
    if len(sys.argv) != 2:
        print("usage: python -m tools.man_pages FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (folder / name).write_text(text, encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
