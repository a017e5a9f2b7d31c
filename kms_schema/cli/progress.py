"""The progress of a command: one line of the terminal, on standard error, that the next one overwrites."""

import sys

import click

from kms_schema.cli import messages
from kms_schema.cli.streams import width

_COLUMNS = 78


def on_terminal() -> bool:
    """Return whether standard error is a terminal, and `--quiet` is not given."""
    return messages.notes_shown() and sys.stderr.isatty()


def show(line: str) -> None:
    """Overwrite the line, cut to the width of the terminal; without a terminal, do nothing."""
    if on_terminal():
        columns = max(1, min(_COLUMNS, (width(sys.stderr) or _COLUMNS) - 1))  # a full line would scroll some terminals
        click.echo(f"\r{line[:columns]:{columns}}\r", nl=False, err=True)


def show_count(what: str, done: int, of: int) -> None:
    """Show how much of a total is done."""
    show(f"{what}: {done} of {of}")


def clear() -> None:
    """Remove the line."""
    show("")
