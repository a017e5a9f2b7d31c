"""`kms-schema destroy-version`: destroy the material of a key version."""

import json
import sys
from functools import partial

import click
from sqlalchemy.orm import Session

from kms_schema.cli import connections
from kms_schema.cli.options import actor_option, style_option, where
from kms_schema.crypto import DependentsError, destroy, destroyable
from kms_schema.keyring import KeyRingError
from kms_schema.keyring.ciphertext_counts import refuse_data_loss
from kms_schema.keyring.host_columns import ColumnName
from kms_schema.printable import in_a_line

_COPIES = (
    "backups, standbys, the write-ahead log and dead rows have its envelope until they expire; its wrapper opens it "
    "until then"
)


def _columns(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[ColumnName, ...]:
    try:
        return tuple(map(ColumnName.parse, given))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    "destroy-version",
    epilog="\b\nExamples:"
    "\n  kms-schema destroy-version kek-2026 1"
    "\n  kms-schema destroy-version orders 3 --check invoices.iban --yes",
)
@click.argument("key_id")
@click.argument("version", type=click.IntRange(1, 2**31 - 1))
@click.option(
    "--check",
    "columns",
    multiple=True,
    callback=_columns,
    metavar="TABLE.COLUMN",
    help="A column that may hold ciphertexts of it. Again for each.",
)
@click.option("--erase-data", is_flag=True, help="Also while data is encrypted with it, which is lost.")
@click.option("--yes", is_flag=True, help="Do not ask; required without a terminal.")
@actor_option
@where
@style_option
def destroy_version(
    *,
    key_id: str,
    version: int,
    columns: tuple[ColumnName, ...],
    erase_data: bool,
    yes: bool,
    actor: str | None,
    database_url: str | None,
    schema: str,
    style: str,
) -> None:
    """Destroy VERSION of the key KEY_ID: data encrypted with it can never be decrypted again.

    Refused while the version is live, and while it wraps others. Of a data key, refused for 24 hours after its end,
    while a transaction of then is open, and while a column that is stored with the key or named by --check holds a
    ciphertext of it, or none is known; their tables are locked against changes meanwhile. Where the key has encrypted
    outside of stored columns, such as files, --check is required. The row remains, and an entry of the audit log has
    the actor.

    Exit status: 0 destroyed, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    url = connections.url_of(database_url)
    try:
        with connections.engine_at(url, schema=schema, application="kms-schema destroy-version") as engine:
            with Session(engine) as session:
                found = destroyable(session, key_id, version)
            if not yes:
                _ask(key_id, version)
            check = partial(refuse_data_loss, also=columns)
            destroy(engine, key_id, version, actor=actor, **({} if erase_data else {"check": check}))
    except (DependentsError, KeyRingError) as error:
        raise click.ClickException(in_a_line(str(error))) from None
    except ValueError as error:  # an invalid actor
        raise click.UsageError(in_a_line(str(error))) from None
    if style == "json":
        click.echo(
            json.dumps({"key_id": key_id, "version_number": version, "held_in_hsm": found.held_in_hsm}, indent=2)
        )
    else:
        click.echo(in_a_line(f"version {version} of key {key_id!r} is destroyed"))
    note = "the key is in an HSM: destroy it there as well" if found.held_in_hsm else _COPIES
    click.echo(f"Note: {note}", err=True)


def _ask(key_id: str, version: int) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal for the question: use --yes")
    question = in_a_line(f"Destroy version {version} of key {key_id!r}? Data encrypted with it is lost.")
    click.confirm(question, abort=True, err=True)
