"""`kms-schema destroy-version`: destroy the material of a key version."""

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from kms_schema import crypto
from kms_schema.cli import messages
from kms_schema.cli.key_uris import hsm_option, hsms_of
from kms_schema.cli.openers import as_engine, opened
from kms_schema.cli.options import Common, for_a_change, with_common
from kms_schema.cli.results import print_result
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    from kms_schema.keyring.columns import host_columns

_COPIES = (
    "backups, standbys, the write-ahead log and dead rows have its envelope until they expire; its wrapper opens it "
    "until then"
)


def _columns(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> "tuple[host_columns.ColumnName, ...]":
    from kms_schema.keyring.columns import host_columns

    try:
        return tuple(map(host_columns.ColumnName.parse, given))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    "destroy-version",
    epilog="\b\nExamples:"
    "\n  kms-schema destroy-version kek-2026 1"
    "\n  kms-schema destroy-version orders 3 --check invoices.iban --yes"
    "\n  kms-schema destroy-version cards 1 \\"
    "\n    --hsm 'luna-1=pkcs11:token=kms?module-path=…'",
)
@click.argument("key_id")
@click.argument("version", type=click.IntRange(1, 2**31 - 1))
@click.option(
    "--check", "columns", multiple=True, callback=_columns, metavar="TABLE.COLUMN",
    help="A column that may contain ciphertexts of the version. Repeatable.",
)  # fmt: skip
@click.option(
    "--erase-data", is_flag=True, help="Destroy the version even while data is encrypted with it; the data is lost."
)
@hsm_option
@click.option("--leave-object", is_flag=True, help="Destroy nothing in the HSM, for example if its token is gone.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; required without a terminal.")
@with_common(for_a_change)
def destroy_version(
    *,
    key_id: str,
    version: int,
    columns: "tuple[host_columns.ColumnName, ...]",
    erase_data: bool,
    leave_object: bool,
    yes: bool,
    common: Common,
) -> None:
    """Destroy VERSION of the key KEY_ID: data encrypted with it can never be decrypted again.

    Refused while the version is live, and while it wraps other keys. A version of a data key is also refused for 24
    hours after its end, and until all transactions that were open then have ended. It is refused while a column that is
    stored with the key, or named by --check, contains a ciphertext of the version, and if no column is known. The
    tables of these columns are locked against changes meanwhile.

    If the key has encrypted outside of stored columns, such as files, --check is required. The row remains, and an
    entry of the audit log has the actor. The object of a version in an HSM is destroyed there just before COMMIT; if
    that fails, nothing is changed.

    Exit status: 0 destroyed, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    from sqlalchemy import orm

    from kms_schema import keyring
    from kms_schema.keyring.lifecycle import version_destruction
    from kms_schema.keyring.use import opener
    from kms_schema.keyring.waiting import waits

    uris = hsms_of(common.hsms)
    with opened(as_engine(), common, writing=True) as engine:
        try:
            if not yes and not sys.stdin.isatty():
                raise click.UsageError("there is no terminal for the question: use --yes")
            also = [each.resolved_by(engine) for each in columns]
            check = version_destruction.data_loss_check(also, erase_data=erase_data)
            with orm.Session(engine) as session:  # before the question: the answer would be for nothing
                found = crypto.destroyable(session, key_id, version, **({} if yes else {"check": check}))
            if not yes:
                _ask(key_id, version)
            with closing(opener.HeldKeys(uris, (), waits.Waits())) as held:
                version_destruction.destroy_with_object(
                    engine, held, key_id, version, check=check, leave_object=leave_object, actor=common.actor
                )
        except keyring.MaterialUnavailableError as error:
            hint = "nothing is changed; if the object is gone with its token, use --leave-object"
            raise click.ClickException(in_a_line(f"{error}; {hint}")) from None
    print_result(
        common.style,
        {"key_id": key_id, "version_number": version, "held_in_hsm": found.held_in_hsm},
        f"version {version} of key {key_id!r} is destroyed",
    )
    if not found.held_in_hsm:
        note = _COPIES
    elif leave_object:
        note = f"its object in the HSM is not destroyed: destroy {found.hsm_key_id} there, if it exists"
    else:
        note = f"its object in the HSM, {found.hsm_key_id}, is destroyed; backups of the HSM have it until they expire"
    messages.note(in_a_line(f"Note: {note}"))


def _ask(key_id: str, version: int) -> None:
    question = in_a_line(f"Destroy version {version} of key {key_id!r}? Data encrypted with it is lost.")
    click.confirm(question, abort=True, err=True)
