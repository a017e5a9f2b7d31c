"""Messages on standard error: notes, which `--quiet` leaves out, and details, which `--verbose` adds.

Errors and warnings are neither: they are always shown.
"""

import time
from functools import partial
from typing import ClassVar

import click
from click.core import ParameterSource

from kms_schema.cli import streams
from kms_schema.text.printable import in_a_line

_SOURCES = {ParameterSource.ENVIRONMENT: "a variable", ParameterSource.DEFAULT_MAP: "pyproject.toml"}


class _Shown:
    """The messages that this run of the program shows."""

    notes = True
    details = False
    once: ClassVar[set[str]] = set()
    """Warnings and details, which are not repeated where a command opens its database twice."""


def reset() -> None:
    """Show notes, and no details: the state at the start of the program."""
    _Shown.notes, _Shown.details = True, False
    _Shown.once.clear()


def notes_shown() -> bool:
    """Return whether notes and progress are shown."""
    return _Shown.notes


def details_shown() -> bool:
    """Return whether `--verbose` was given."""
    return _Shown.details


def note(text: str) -> None:
    """Print a message beside the result; with `--quiet` it is left out."""
    if _Shown.notes:
        click.echo(text, err=True)


def note_result(text: str) -> None:
    """Print the result of a job that cron runs, in UTF-8; with `--quiet` it is left out, unless it goes into a file."""
    if _Shown.notes or streams.is_file():
        streams.print_unchanged(text if text.endswith("\n") else f"{text}\n")


def detail(text: str) -> None:
    """Print a message with `--verbose` only. It never has the value of an option: that could be a secret."""
    if _Shown.details:
        _print_once(text)


def warn(text: str) -> None:
    """Print a warning."""
    _print_once(f"Warning: {text}")


def _print_once(text: str) -> None:
    if text not in _Shown.once:
        _Shown.once.add(text)
        click.echo(in_a_line(text), err=True)


def add_options(command: click.Command) -> None:
    """Give a command `--quiet` and `--verbose`, once."""
    if isinstance(command, click.Group) or any(each.name == "quiet" for each in command.params):
        return
    command.params += [
        click.Option(
            ["-q", "--quiet"], is_flag=True, expose_value=False, callback=_be_quiet,
            help="Show only the result, warnings and errors.",
        ),
        click.Option(
            ["-v", "--verbose"], is_flag=True, expose_value=False, callback=_be_verbose,
            help="Also show the sources of options, and the duration.",
        ),
    ]  # fmt: skip


def _be_quiet(_context: click.Context, _option: click.Parameter, given: bool) -> None:
    if given:
        _Shown.notes = False


def _be_verbose(context: click.Context, _option: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        _Shown.details = True
        context.call_on_close(partial(_summarize, context, time.monotonic()))


def _summarize(context: click.Context, begun: float) -> None:
    for option in context.command.params:
        source = _SOURCES.get(context.get_parameter_source(option.name or ""))  # type: ignore[arg-type]
        if source is not None and isinstance(option, click.Option):
            detail(f"{option.opts[-1]} is from {source}")
    detail(f"{context.command_path}: {time.monotonic() - begun:.2f} s")
