"""The result of a command on standard output: JSON, or lines of text."""

import datetime as dt
import json
from collections.abc import Iterable, Sequence

import click

from kms_schema.reading.times import time_to_text
from kms_schema.text.printable import in_a_line

_NAMED = 20
"""The rows that standard error names; JSON has all."""


def print_json(document: object) -> None:
    """Print a result as JSON. A time is as in the audit log: UTC, with microseconds."""
    click.echo(json.dumps(document, indent=2, default=_spelled))


def print_result(style: str, document: object, text: str | Iterable[str]) -> None:
    """Print a result: as JSON, or as a line of text, or as several."""
    if style == "json":
        print_json(document)
    else:
        for line in [text] if isinstance(text, str) else text:
            click.echo(in_a_line(line))


def print_row(name: str, width: int, columns: str) -> None:
    """Print a row of a table; a name that is longer than its column has a line of its own."""
    name = in_a_line(name)
    if len(name) > width:
        click.echo(name)
        name = ""
    click.echo(f"{name:<{width}} {columns}".rstrip())


def name_first(lines: Sequence[str]) -> None:
    """Print the first of many rows to standard error, and how many more the JSON of the command has."""
    for line in lines[:_NAMED]:
        click.echo(in_a_line(line), err=True)
    if len(lines) > _NAMED:
        click.echo(f"… and {len(lines) - _NAMED} more; --format json names all", err=True)


def _spelled(value: object) -> str:
    return time_to_text(value) if isinstance(value, dt.datetime) else str(value)
