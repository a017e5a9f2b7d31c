"""`kms-schema audit seal`, `checkpoint` and `record`: seals, and checkpoints that are stored outside the database."""

import os
import subprocess
from pathlib import Path

import click

from kms_schema.audit.formats.checkpoints import LARGEST
from kms_schema.audit.formats.keys import SigningKey, VerifierKey
from kms_schema.audit.proofs.prover import seal_of
from kms_schema.audit.sealing.sealer import seal
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.open import open_trail
from kms_schema.audit.storage.operation_records import record_operation
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import OpenTrail
from kms_schema.cli import messages
from kms_schema.cli.audit.signing import KEY_IN_ENVIRONMENT, existing, key_option, signing_key, verifier_keys
from kms_schema.cli.openers import as_connection, as_trail, opened
from kms_schema.cli.options import Common, Decorator, lock_wait_option, style_option, where, with_common
from kms_schema.cli.recording import record
from kms_schema.cli.results import print_json
from kms_schema.cli.streams import print_unchanged
from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.text.printable import in_a_line
from kms_schema.vocabulary import RecordedOperation

_UNSIGNED = (
    "seal {} is UNSIGNED: anybody who can write to this database can make one. Generate a key with kms-schema audit"
    f" keygen, and give it with --key, or in {KEY_IN_ENVIRONMENT}."
)

publish_option: Decorator = click.option(
    "--publish", metavar="COMMAND", help="Run this command after each seal, with the checkpoint on standard input."
)
_seal_number: Decorator = click.option(
    "--seal", "number", type=click.IntRange(1, LARGEST), metavar="NUMBER",
    help="The number of the seal; default: the last seal.",
)  # fmt: skip


class NotPublished(click.ClickException):
    """The entries are sealed, but the checkpoint was not published: exit status 4."""

    exit_code = 4


@click.command(
    "seal",
    epilog="\b\nExamples:\n  kms-schema audit seal --key seal.key --origin kms.example/audit"
    "\n  kms-schema audit seal --key seal.key \\"
    "\n    --publish 'ssh witness@elsewhere.example keep'"
    "\n  kms-schema audit seal --key seal.key --next-key new.key.pub"
    "\n\nExit status: 0 sealed or nothing to seal, 1 refused: another key or origin, 2 usage, 3 no connection or"
    " missing privilege, 4 sealed, not published.",
)
@key_option
@click.option("--origin", metavar="NAME", help="The name of the trail, which the first seal sets.")
@click.option(
    "--next-key", type=existing, metavar="FILE",
    help="A verifier key to announce: the private key that belongs to it signs later seals.",
)  # fmt: skip
@publish_option
@with_common(lock_wait_option, where, style_option)
def seal_command(
    *, key: Path | None, origin: str | None, next_key: Path | None, publish: str | None, common: Common
) -> None:
    """Seal the committed entries that no seal covers, and print the checkpoint.

    Store the checkpoint where the owner of the database cannot write: without it, a trail that was rewritten and sealed
    again looks like the original. If there is nothing to seal, the command prints the last checkpoint again. With
    --quiet it prints the checkpoint only if standard output is a file, so that cron sends no mail; --publish still
    receives it.
    """
    signer = signing_key(key)
    successor = _successor(next_key, signer)
    failed = False
    made: StoredSeal | None = None
    with opened(as_connection(), common, writing=True) as connection:
        trail, complete = open_trail(connection, common.schema, common.lock_wait), False
        try:
            for made in seal(trail, signer, origin=origin, next_key=successor):
                _report(made)
                failed |= publish is not None and not published(made, publish, connection, common.schema)
            complete = True
        finally:
            # One note, even if a long backlog took several seals: the last seal covers the entries of the others.
            # Without a new seal the last one, which `seal` has checked: `> checkpoint.txt` would empty the file else.
            shown = made or (_last(trail) if complete else None)
            if common.style == "json":
                print_json(_document(shown, sealed=made is not None, failed=failed))
            elif shown is not None:
                messages.note_result(shown.checkpoint_text())
    if failed:
        raise NotPublished(
            "the entries are sealed, but the command of --publish failed: when it works again, run"
            " kms-schema audit checkpoint | COMMAND"
        )
    if made is None:
        last = "" if shown is None else f": seal {shown.number} covers every entry, and its checkpoint is printed again"
        messages.note(f"nothing to seal{last}")
        if successor is not None:
            raise click.ClickException(
                "the new key was not announced: append an entry that states why the key changes, and run this again"
            )


def _last(trail: OpenTrail) -> StoredSeal | None:
    with trail.reading() as snapshot:
        return snapshot.seals.last()


def _document(shown: StoredSeal | None, *, sealed: bool, failed: bool) -> dict[str, object]:
    if shown is None:
        return {"sealed": False}
    return {
        "sealed": sealed,
        "number": shown.number,
        "origin": shown.origin,
        "tree_size": shown.tree_size,
        "signed_by": shown.verifier_key,
        "publishing_failed": failed,
        "checkpoint": shown.checkpoint_text(),
    }


def _successor(path: Path | None, signer: SigningKey | None) -> VerifierKey | None:
    keys = verifier_keys(path)
    if len(keys) > 1:
        raise click.UsageError(f"{path} has {len(keys)} keys: name a file with one key")
    if keys and signer is None:
        raise click.UsageError("the current key announces the next key: give the current key with --key")
    return keys[0] if keys else None


def _report(made: StoredSeal) -> None:
    messages.note(in_a_line(f"seal {made.number} of {made.origin}, tree size {made.tree_size}"))
    if made.verifier_key is None:
        click.echo(_UNSIGNED.format(made.number), err=True)


def published(made: StoredSeal, command: str, connection: DatabaseConnection, schema: str) -> bool:
    """Run a shell command with the checkpoint on its standard input, and record that it succeeded.

    The command never receives the private key.
    """
    environment = {name: value for name, value in os.environ.items() if name != KEY_IN_ENVIRONMENT}
    done = subprocess.run(  # noqa: S602  (a command line is what the option takes)
        command, shell=True, input=made.checkpoint_text().encode(), stdout=2, env=environment, check=False
    )
    if done.returncode:
        click.echo(f"seal {made.number}: the command of --publish ended with status {done.returncode}", err=True)
        return False
    record(connection, schema, RecordedOperation.PUBLICATION, made.origin, seal_number=made.number)
    return True


@click.command(
    "checkpoint",
    epilog="\b\nExamples:\n  kms-schema audit checkpoint > checkpoint.txt\n  kms-schema audit checkpoint --seal 12",
)
@_seal_number
@with_common(where)
def checkpoint_command(*, number: int | None, common: Common) -> None:
    """Print the checkpoint of a seal, to store it outside the database.

    It states the present contents of the database. A checkpoint that was printed when the seal was made is better
    evidence.
    """
    with opened(as_trail(), common) as trail, trail.reading() as snapshot:
        text = seal_of(snapshot.seals, number).checkpoint_text()
    print_unchanged(text)


@click.command(
    "record",
    epilog="\b\nExamples:\n  kms-schema audit checkpoint | mail auditor@example.com"
    "\n  kms-schema audit record"
    "\n  kms-schema audit record --witness witness.example --seal 12"
    "\n\nExit status: 0 recorded, 1 there is no such seal, 2 usage, 3 no connection or missing privilege.",
)
@click.option("--witness", metavar="NAME", help="The witness that cosigned; without it, a publication is recorded.")
@_seal_number
@with_common(where)
def record_command(*, witness: str | None, number: int | None, common: Common) -> None:
    """Record that a checkpoint was published or cosigned, for metrics and alerts.

    The record has the time and the role of the database. It is a statement of this role, and no evidence: keep the
    checkpoint itself outside the database. `audit seal --publish` records its publications itself.
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
