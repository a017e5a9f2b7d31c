"""`kms-schema reencrypt`: replace the ciphertexts of old versions in a column of an application."""

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from kms_schema.cli import messages, progress
from kms_schema.cli.key_uris import hsm_option, root_key_options
from kms_schema.cli.keys.open_ring import as_ring
from kms_schema.cli.openers import opened
from kms_schema.cli.options import Common, for_a_change, key_id_option, with_common
from kms_schema.cli.results import print_json
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    import sqlalchemy as sa

    from kms_schema.keyring import Reencryption

_NAMED = 20
"""How many rows that do not open are named in text; JSON has all that are known."""


def _bound_as(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    table, separator, column = text.rpartition(".")
    if not separator or not table or not column:
        raise click.BadParameter("give the names as TABLE.COLUMN")
    return table, column


def _row(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> "dict[str, sa.types.TypeEngine[Any] | None]":
    import sqlalchemy as sa

    return {each.removesuffix(":uuid"): sa.Uuid() if each.endswith(":uuid") else None for each in given}


@click.command(
    "reencrypt",
    epilog="\b\nExamples:"
    "\n  kms-schema reencrypt invoices.iban --key orders --dry-run"
    "\n  kms-schema reencrypt invoices.iban --key orders \\"
    "\n    --root-key kms://root-2026=root-2026.key",
)
@click.argument("column", metavar="TABLE.COLUMN")
@key_id_option("--key", "key_id", required=True, help="The key that made the ciphertexts.")
@key_id_option("--to", help="Encrypt with this key, which replaces the key of --key.")
@click.option(
    "--below", type=click.IntRange(2, 2**31 - 1), metavar="VERSION",
    help="Replace only ciphertexts of versions below this version.",
)  # fmt: skip
@click.option(
    "--row", multiple=True, callback=_row, metavar="NAME[:uuid]",
    help="A column of the row to which values are bound, with :uuid for a UUID on SQLite. Repeatable.",
)  # fmt: skip
@click.option(
    "--bound-as", callback=_bound_as, metavar="TABLE.COLUMN",
    help="The table and column to which values are bound, if these had other names.",
)  # fmt: skip
@click.option(
    "--batch", type=click.IntRange(1, 10_000), default=500, show_default=True,
    help="The number of rows in a transaction.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Count the rows, and change nothing.")
@click.option(
    "--from-revoked", metavar="REASON",
    help="Open a revoked key, for this reason, which the audit log records; requires --to.",
)  # fmt: skip
@with_common(root_key_options, hsm_option, for_a_change)
def reencrypt_command(
    *,
    column: str,
    key_id: str,
    to: str | None,
    below: int | None,
    row: "dict[str, sa.types.TypeEngine[Any] | None]",
    bound_as: tuple[str, str] | None,
    batch: int,
    dry_run: bool,
    from_revoked: str | None,
    common: Common,
) -> int:
    """Replace the ciphertexts of old versions of a key in TABLE.COLUMN, or SCHEMA.TABLE.COLUMN, by new ones.

    The application may run meanwhile: a row is replaced only if it is unchanged. After an interruption, run the command
    again. Streams, which `keys encrypt` makes, are named and counted as left, but not replaced. The login needs the
    role kms_app (with --from-revoked, kms_rotator), SELECT on the column and the primary key, and UPDATE on the column.

    Exit status: 0 none is left, 1 some are left or do not open, or refused, 2 usage, 3 no connection or missing
    privilege.
    """
    with opened(as_ring(), common) as ring:
        try:
            done = ring.reencrypt_column(
                column,
                key_id,
                to=to,
                below=below,
                dry_run=dry_run,
                row=row,
                bound_as=bound_as,
                batch=batch,
                from_revoked=from_revoked,
                actor=common.actor,
                progress=lambda count: progress.show(f"{count} replaced"),
            )
        finally:
            progress.clear()
    if common.style == "json":
        print_json(dataclasses.asdict(done))
    else:
        _print(done, dry_run=dry_run)
        if done.unopened and not (row and bound_as):
            # Also with --quiet: it is about the failure, and not beside the result.
            click.echo(
                "Hint: if values are bound to their row or to other names, give --row NAME (--row NAME:uuid if SQLite"
                " stores a UUID there) or --bound-as TABLE.COLUMN",
                err=True,
            )
    return 1 if done.left and not dry_run else 0


def _name(what: str, rows: "list[str]") -> None:
    for each in rows[:_NAMED]:
        click.echo(in_a_line(f"{what}: {each}"), err=True)
    if len(rows) > _NAMED:
        click.echo(f"{what}: {len(rows) - _NAMED} more, which --format json names", err=True)


def _print(done: "Reencryption", *, dry_run: bool) -> None:
    if dry_run:
        click.echo(in_a_line(f"{done.column}: {done.rows} to replace"))
    else:
        counts = f"{done.replaced} replaced, {done.tried_again} tried again, {done.left} left"
        click.echo(in_a_line(f"{done.column}: {counts}"))
    _name("does not open", done.unopened)
    _name("is a stream, which this does not replace", done.streams)
    if done.streams:
        click.echo("Hint: give these rows a new stream: `keys decrypt`, `keys encrypt`, then UPDATE", err=True)
    if done.index is not None:
        messages.note(in_a_line(f"Note: with an index this finds rows at once: {done.index}"))
        if done.index_bytes is not None:
            messages.note(
                f"Note: its entries have at most {done.index_bytes:,} bytes: longer ciphertexts cannot be written then"
            )
