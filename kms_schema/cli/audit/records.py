"""`kms-schema audit record`: record a publication or a cosignature that another program made."""

import click

from kms_schema.audit.proofs.prover import seal_of
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.open import open_trail
from kms_schema.audit.storage.operation_records import record_operation
from kms_schema.cli import messages
from kms_schema.cli.openers import as_connection, opened
from kms_schema.cli.options import Common, where, with_common
from kms_schema.vocabulary import RecordedOperation


@click.command(
    "record",
    epilog="\b\nExamples:\n  kms-schema audit checkpoint | mail auditor@example.com"
    "\n  kms-schema audit record"
    "\n  kms-schema audit record --witness witness.example --seal 12"
    "\n\nExit status: 0 recorded, 1 there is no such seal, 2 usage, 3 could not connect or not allowed.",
)
@click.option("--witness", metavar="NAME", help="Record a cosignature of this witness; else a publication.")
@click.option("--seal", "number", type=click.IntRange(1, 2**63 - 1), metavar="NUMBER", help="Default: the last.")
@with_common(where)
def record_command(*, witness: str | None, number: int | None, common: Common) -> None:
    """Record that a checkpoint was published or cosigned, for metrics and alerts.

    `audit seal --publish` records its own publications. The record has the time and the role of the database. It is a
    statement of this role, and no evidence: keep the checkpoint itself outside the database.
    """
    with opened(as_connection(), common, writing=True) as connection:
        with open_trail(connection, common.schema).reading() as snapshot:
            seal = seal_of(snapshot.seals, number)
        operation = RecordedOperation.PUBLICATION if witness is None else RecordedOperation.COSIGNATURE
        try:
            record_operation(
                connection, operation, witness or seal.origin, schema=common.schema, seal_number=seal.number
            )
        except TrailError as error:
            raise TrailError(f"the {operation.lower()} is not recorded: {error}") from None
    messages.note(f"recorded: {operation.lower()} of seal {seal.number}")
