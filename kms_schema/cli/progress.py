"""How far a command is: one line of the terminal, on standard error, that the next one overwrites."""

import sys

import click

_COLUMNS = 78


def on_terminal() -> bool:
    """Whether anybody would see it."""
    return sys.stderr.isatty()


def show(line: str) -> None:
    """Write the line over the one before, cut to a terminal's width; nothing where there is no terminal."""
    if on_terminal():
        click.echo(f"\r{line[:_COLUMNS]:{_COLUMNS}}\r", nl=False, err=True)


def show_count(what: str, done: int, of: int) -> None:
    """Say how much of something has been done."""
    show(f"{what}: {done} of {of}")


def clear() -> None:
    """Leave nothing of it."""
    show("")
