"""`kms-schema audit list`: the newest entries of the audit log."""

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import click

from kms_schema.cli import messages, streams
from kms_schema.cli.openers import as_engine, opened
from kms_schema.cli.options import Common, key_id_option, style_option, time_since, where, with_common
from kms_schema.cli.results import print_json
from kms_schema.reading.times import time_to_text
from kms_schema.text.printable import in_a_line
from kms_schema.vocabulary import EVENT_TYPES

if TYPE_CHECKING:
    from kms_schema.audit.listing import ListedEntry

_LINE = "{:>8} {:<19} {:<24} {}"
_FIRST_COLUMNS = 54
_ABOUT = 26
"""The characters that are shown of a description."""


@click.command(
    "list",
    epilog="\b\nExamples:\n  kms-schema audit list\n  kms-schema audit list --key orders --event-type VERSION_ACTIVATED"
    "\n  kms-schema audit list --since 24h --limit 1 --format json"
    "\n\nExit status: 0 done, 1 no such key, 2 usage, 3 no connection or missing privilege.",
)
@key_id_option("--key", "key_id", help="List only entries about this key.")
@click.option("--event-type", metavar="TYPE", help="List only entries of this type, such as VERSION_ACTIVATED.")
@click.option(
    "--since", metavar="TIME", callback=time_since,
    help="List entries since a time, or since a duration before now: 90m, 24h, 7d.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="The number of entries to list."
)
@with_common(where, style_option)
def list_command(
    *, key_id: str | None, event_type: str | None, since: dt.datetime | None, limit: int, common: Common
) -> None:
    """List the newest entries of the audit log, the newest first: sequence, time in UTC, event, and the key.

    `audit prove` takes the sequence. An entry that names no key shows its description instead; entries about the
    creation of a key or a version are of this kind, so --key leaves them out. A rotation writes VERSION_ACTIVATED. JSON
    also has the user and the role of each entry. Nothing is verified and nothing is written; on PostgreSQL the login
    needs the role kms_auditor.
    """
    from kms_schema.audit import listing

    with opened(as_engine(), common) as engine, engine.connect() as connection:
        found = listing.listed_entries(connection, key_id=key_id, event_type=event_type, since=since, limit=limit)
    if not found:
        messages.note(in_a_line(_nothing(key_id, event_type, since)))
    if common.style == "json":
        plain = [dataclasses.asdict(each) for each in found]
        for each in plain:
            each |= {"id": str(each["id"]), "timestamp": time_to_text(each["timestamp"])}
        print_json(plain)
        return
    click.echo(_LINE.format("SEQUENCE", "TIME (UTC)", "EVENT", "ABOUT"))
    columns = streams.width()
    for entry in found:
        time = f"{_utc(entry.timestamp):%Y-%m-%d %H:%M:%S}"
        line, about = _LINE.format(entry.sequence, time, entry.event_type, "").rstrip(), _about(entry)
        if columns is None or _FIRST_COLUMNS + len(about) <= columns:
            click.echo(in_a_line(f"{line:<{_FIRST_COLUMNS}}{about}"))
        else:
            click.echo(in_a_line(line))
            click.echo(in_a_line(f"{'':9}{about}"))


def _nothing(key_id: str | None, event_type: str | None, since: dt.datetime | None) -> str:
    """Return that there are no such entries, with known types that are similar to one that is not known."""
    import difflib

    of_type = "" if event_type is None else f" of type {event_type}"
    of_key = "" if key_id is None else f" about key {key_id}"
    known = [] if event_type is None else [*EVENT_TYPES]
    similar = [] if event_type in known else difflib.get_close_matches((event_type or "").upper(), known)
    of_time = "" if since is None else f" since {since:%Y-%m-%d %H:%M:%S} UTC"
    return f"no entries{of_type}{of_key}{of_time}" + (f"; did you mean {' or '.join(similar)}?" if similar else "")


def _about(entry: "ListedEntry") -> str:
    if entry.key_id is not None:
        return entry.key_id
    text = entry.event_description
    return text if len(text) <= _ABOUT else f"{text[: _ABOUT - 1]}…"


def _utc(time: dt.datetime) -> dt.datetime:
    return time.astimezone(dt.UTC)
