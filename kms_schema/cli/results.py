"""The result of a command on standard output: JSON, or lines of text."""

import datetime as dt
import json

import click

from kms_schema.reading.times import time_to_text
from kms_schema.text.printable import in_a_line


def print_json(document: object) -> None:
    """Print a result as JSON. A time is as in the audit log: UTC, with microseconds."""
    click.echo(json.dumps(document, indent=2, default=_spelled))


def print_result(style: str, document: object, text: str) -> None:
    """Print a result: as JSON, or as a line of text."""
    if style == "json":
        print_json(document)
    else:
        click.echo(in_a_line(text))


def _spelled(value: object) -> str:
    return time_to_text(value) if isinstance(value, dt.datetime) else str(value)
