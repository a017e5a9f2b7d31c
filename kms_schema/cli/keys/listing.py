"""`kms-schema keys list` and `show`: keys and their versions, without material."""

import dataclasses
import datetime as dt
import itertools
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from kms_schema.cli import messages, streams
from kms_schema.cli.openers import as_engine, opened
from kms_schema.cli.options import Common, key_id_argument, style_option, where, with_common
from kms_schema.cli.results import print_json, print_row
from kms_schema.reading.times import time_to_text
from kms_schema.text.printable import in_a_line
from kms_schema.vocabulary import KeyStatus, KeyType

if TYPE_CHECKING:
    import sqlalchemy as sa

    from kms_schema.keyring.descriptions import ListedKey, ListedVersion

_NAME, _SHORTEST_NAME = 26, 8
"""The width of names in the table, and in that of a narrow terminal."""
_OTHER_COLUMNS = 52
_KEY = "{:<6} {:<8} {:>7} {:>16} {:<10}"
_VERSIONS = "{:>7} {:>10} {:<9} {:>16} {:>16} {:<10}"


@contextmanager
def _reading(common: Common) -> "Iterator[sa.Connection]":
    from kms_schema.keyring import UnknownKeyError

    with opened(as_engine(), common) as engine, engine.connect() as connection:
        try:
            yield connection
        except UnknownKeyError as error:
            raise click.ClickException(in_a_line(f"{error}; kms-schema keys list shows the names")) from None


@click.command("list", epilog="\b\nExamples:\n  kms-schema keys list\n  kms-schema keys list --type dek --format json")
@click.option(
    "--type", "key_type", type=click.Choice([each.value for each in KeyType]), help="List only keys of this type."
)
@click.option("--status", type=click.Choice([each.value for each in KeyStatus]), help="List only keys of this status.")
@with_common(where, style_option)
def list_command(*, key_type: str | None, status: str | None, common: Common) -> None:
    """List the keys by their names, with the live version and its uses, which are 0 after a rotation.

    Exit status: 0 done, 2 usage, 3 no connection or missing privilege.
    """
    from kms_schema.keyring import descriptions

    with _reading(common) as connection:
        found = descriptions.listed_keys(connection, key_type=key_type, status=status)
        first = next(found, None)  # before the header: a database without the schema is an error
        keys = () if first is None else itertools.chain((first,), found)
        if first is None:
            wanted = {"type": key_type, "status": status}
            messages.note("no keys" + "".join(f" of {name} {each}" for name, each in wanted.items() if each))
        if common.style == "json":
            _print_json(keys)
            return
        name = max(_SHORTEST_NAME, min(_NAME, (streams.width() or 80) - _OTHER_COLUMNS))
        print_row("KEY", name, _KEY.format("TYPE", "STATUS", "VERSION", "USES", "EXPIRES"))
        for key in keys:
            _print_key(key, name)


def _print_key(key: "ListedKey", width: int) -> None:
    version, uses = ("-" if each is None else each for each in (key.live_version, key.usage_count))
    print_row(key.key_id, width, _KEY.format(key.key_type, key.status, version, uses, _day(key.expires_at)))


@click.command("show", epilog="\b\nExample:\n  kms-schema keys show orders")
@key_id_argument
@with_common(where, style_option)
def show_command(*, key_id: str, common: Common) -> None:
    """Show the key KEY_ID and its versions: tags of ciphertexts, states, uses and bytes. No material is read.

    Processes reserve uses and bytes in advance, so the numbers may be higher than what was encrypted.
    `encrypted_columns` are the columns that are stored with the key; `*` stands for ciphertexts anywhere else.

    Exit status: 0 done, 1 no such key, 2 usage, 3 no connection or missing privilege.
    """
    from kms_schema.keyring import descriptions

    with _reading(common) as connection:
        key, versions = descriptions.listed_key(connection, key_id), descriptions.listed_versions(connection, key_id)
        columns = descriptions.stored_columns(connection, key_id)
        if common.style == "json":
            document = _plain(key) | {"encrypted_columns": columns, "versions": [_plain(each) for each in versions]}
            print_json(document)
            return
        _print_properties(key)
        if columns:
            click.echo(in_a_line(f"encrypted_columns: {', '.join(columns)}"))
        click.echo(_VERSIONS.format("VERSION", "TAG", "STATE", "USES", "RESERVED BYTES", "SINCE").rstrip())
        for each in versions:
            _print_version(each)


def _print_properties(key: "ListedKey") -> None:
    for name, value in _plain(key).items():
        if value is not None and name not in ("live_version", "usage_count", "data_volume_bytes"):
            click.echo(in_a_line(f"{name}: {value}"))


def _print_version(version: "ListedVersion") -> None:
    line = _VERSIONS.format(
        version.version, version.ciphertext_tag, version.state, version.usage_count, version.data_volume_bytes,
        _day(version.activated_at),
    )  # fmt: skip
    click.echo(line.rstrip())
    if version.under is not None:
        click.echo(in_a_line(f"        under {version.under}"))
    if version.hsm_key_id is not None:
        click.echo(in_a_line(f"        in HSM {version.hsm_key_id}"))


def _print_json(found: "Iterable[ListedKey]") -> None:
    """Print an array, one key after the other: not all are in memory."""
    separator = "[\n  "
    for key in found:
        click.echo(separator + json.dumps(_plain(key)), nl=False)
        separator = ",\n  "
    click.echo("[]" if separator.startswith("[") else "\n]")


def _plain(row: "ListedKey | ListedVersion") -> dict[str, Any]:
    return {name: _spelled(value) for name, value in dataclasses.asdict(row).items()}


def _spelled(value: Any) -> Any:
    return time_to_text(value) if isinstance(value, dt.datetime) else value


def _day(value: dt.datetime | None) -> str:
    return "-" if value is None else f"{value.astimezone(dt.UTC):%Y-%m-%d}"
