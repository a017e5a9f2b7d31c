"""The queue of the commands of `kms-schema rotations`, and the output of their results."""

import datetime as dt
import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import click

from kms_schema.cli.openers import Opening, opener
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS
from kms_schema.reading.times import time_to_text
from kms_schema.rotations import RotationQueue, open_queue
from kms_schema.text.printable import in_a_line


@opener
def as_queue(opening: Opening) -> Iterator[RotationQueue]:
    """Open the queue. Without `writing`, nothing can be changed."""
    with opening.connected(of_values=True) as connection:
        if isinstance(connection, sqlite3.Connection):  # the queue joins a transaction; its own would lock the file
            connection.execute("PRAGMA foreign_keys = ON" if opening.writing else "BEGIN")
        yield open_queue(connection, opening.schema, LOCK_WAIT_SECONDS)


def print_result(document: Mapping[str, Any], text: str, style: str) -> None:
    """Print a result: a line of text, or JSON."""
    click.echo(json.dumps(document, indent=2, default=_spelled) if style == "json" else in_a_line(text))


def _spelled(value: Any) -> str:
    return timestamp(value) if isinstance(value, dt.datetime) else str(value)


def timestamp(value: dt.datetime) -> str:
    """Return a time as in the audit log: UTC, with microseconds."""
    return time_to_text(value)
