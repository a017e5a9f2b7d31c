"""`kms-schema audit list`: the newest entries of the audit log."""

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING

import click

from kms_schema.audit.storage.errors import NoSuchKeyError
from kms_schema.cli.connections import engine_at, url_of
from kms_schema.cli.keys.open_ring import key_id_option
from kms_schema.cli.on_use import on_use
from kms_schema.cli.options import style_option, where
from kms_schema.printable import in_a_line

if TYPE_CHECKING:
    from kms_schema.audit import listing
    from kms_schema.audit.listing import ListedEntry
else:
    listing = on_use("kms_schema.audit.listing")

_LINE = "{:>8} {:<19} {:<24} {}"
_ABOUT = 26
"""The characters that are shown of a description."""


@click.command(
    "list",
    epilog="\b\nExamples:\n  kms-schema audit list\n  kms-schema audit list --key orders --event-type KEY_ROTATED"
    "\n  kms-schema audit list --limit 1 --format json"
    "\n\nExit status: 0 done, 1 no such key, 2 usage, 3 could not connect or not allowed.",
)
@key_id_option("--key", "key_id", help="Entries about this key only.")
@click.option("--event-type", metavar="TYPE", help="Entries of this type only, such as KEY_ROTATED.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="The entries at most.")
@where
@style_option
def list_command(
    *, key_id: str | None, event_type: str | None, limit: int, database_url: str | None, schema: str, style: str
) -> None:
    """List the newest entries of the audit log, the newest first: sequence, time in UTC, event, and the key.

    `audit prove` takes the sequence. An entry without a key shows its description: so do those of the creation of a
    key or a version, which --key leaves out. JSON has the user and the role of each entry, too. Nothing is verified
    and nothing is written; on PostgreSQL the login needs kms_auditor.
    """
    url = url_of(database_url)
    with engine_at(url, schema=schema, application="kms-schema audit", writing=False) as engine:
        try:
            with engine.connect() as connection:
                found = listing.listed_entries(connection, key_id=key_id, event_type=event_type, limit=limit)
        except NoSuchKeyError as error:
            raise click.ClickException(in_a_line(str(error))) from None
    if style == "json":
        plain = [dataclasses.asdict(each) for each in found]
        for each in plain:
            each |= {"id": str(each["id"]), "timestamp": f"{_utc(each['timestamp']):%Y-%m-%dT%H:%M:%S.%fZ}"}
        click.echo(json.dumps(plain, indent=2))
        return
    click.echo(_LINE.format("SEQUENCE", "TIME (UTC)", "EVENT", "ABOUT"))
    for entry in found:
        time = f"{_utc(entry.timestamp):%Y-%m-%d %H:%M:%S}"
        click.echo(in_a_line(_LINE.format(entry.sequence, time, entry.event_type, _about(entry))))


def _about(entry: "ListedEntry") -> str:
    if entry.key_id is not None:
        return entry.key_id
    text = entry.event_description
    return text if len(text) <= _ABOUT else f"{text[: _ABOUT - 1]}…"


def _utc(time: dt.datetime) -> dt.datetime:
    return time.astimezone(dt.UTC)
