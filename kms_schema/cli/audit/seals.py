"""`kms-schema audit seal` and `checkpoint`: make seals, and print what has to be kept outside."""

import os
import subprocess
from pathlib import Path

import click

from kms_schema.audit.formats.keys import SigningKey, VerifierKey
from kms_schema.audit.proofs.prover import seal_of
from kms_schema.audit.sealing.sealer import seal
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.verification.external_checkpoints import printed
from kms_schema.cli.audit.opening import opened, print_note, where
from kms_schema.cli.audit.signing import KEY_IN_ENVIRONMENT, existing, signing_key, verifier_keys
from kms_schema.printable import in_a_line

_UNSIGNED = (
    "seal {} is UNSIGNED: whoever can write to this database can make one. Make a key with kms-schema audit keygen,"
    f" and give it with --key, or in {KEY_IN_ENVIRONMENT}."
)


class NotPublished(click.ClickException):
    """What was sealed stays sealed, and did not get to where it was to be kept: exit status 4."""

    exit_code = 4


@click.command(
    "seal",
    epilog="\b\nExamples:\n  kms-schema audit seal --key seal.key --origin kms.example/audit"
    "\n  kms-schema audit seal --key seal.key --publish 'ssh witness@elsewhere.example keep'"
    "\n  kms-schema audit seal --key seal.key --next-key new.key.pub"
    "\n\n\b\nExit status: 0 sealed or nothing to seal, 2 usage, 3 could not connect or not allowed, 4 sealed, not"
    "\npublished.",
)
@click.option("--key", type=existing, metavar="FILE", help=f"The private key; else {KEY_IN_ENVIRONMENT} is the key.")
@click.option("--origin", metavar="NAME", help="What the trail is called, from its first seal on.")
@click.option(
    "--next-key", type=existing, metavar="FILE", help="A verifier key: announce it as that of the seals to come."
)
@click.option("--publish", metavar="COMMAND", help="Run this after each seal, with the checkpoint on standard input.")
@where
def seal_command(  # noqa: PLR0917  (click passes each option by name)
    database_url: str | None, schema: str, key: Path | None, origin: str | None, next_key: Path | None,
    publish: str | None,
) -> None:  # fmt: skip
    """Seal the entries that are committed and not sealed yet, and print the checkpoint.

    Keep the checkpoint outside the database, where its owner cannot write: without one, a trail that was rewritten and
    sealed anew cannot be told from the true one. Does nothing where there is nothing to seal.
    """
    signer = signing_key(key)
    successor = _successor(next_key, signer)
    failed = False
    made: StoredSeal | None = None
    with opened(database_url, schema, writing=True) as trail:
        try:
            for made in seal(trail, signer, origin=origin, next_key=successor):
                _tell(made)
                failed |= publish is not None and not published(made, publish)
        finally:
            # One note, also where a long backlog took several seals: the last is over what the others are over.
            if made is not None:
                print_note(printed(made))
    if failed:
        raise NotPublished(
            "what was sealed stays sealed, and the command of --publish failed: when it works again, run"
            " kms-schema audit checkpoint | COMMAND"
        )
    if made is None:
        click.echo("nothing to seal", err=True)
        if successor is not None:
            raise click.ClickException(
                "so the new key was not announced: append an entry that says why the key changes, and run this again"
            )


def _successor(path: Path | None, signer: SigningKey | None) -> VerifierKey | None:
    keys = verifier_keys(path)
    if len(keys) > 1:
        raise click.UsageError(f"{path}: one key follows, and there are {len(keys)}")
    if keys and signer is None:
        raise click.UsageError("the key that signs now announces the next one: give it with --key")
    return keys[0] if keys else None


def _tell(made: StoredSeal) -> None:
    click.echo(in_a_line(f"seal {made.number} of {made.origin}, tree size {made.tree_size}"), err=True)
    if made.verifier_key is None:
        click.echo(_UNSIGNED.format(made.number), err=True)


def published(made: StoredSeal, command: str) -> bool:
    """Hand the checkpoint to a command of the shell, which never sees the private key; what it prints is no result."""
    environment = {name: value for name, value in os.environ.items() if name != KEY_IN_ENVIRONMENT}
    done = subprocess.run(  # noqa: S602  (a command line is what the option takes)
        command, shell=True, input=printed(made).encode(), stdout=2, env=environment, check=False
    )
    if done.returncode:
        click.echo(f"seal {made.number}: the command of --publish ended with status {done.returncode}", err=True)
    return not done.returncode


@click.command(
    "checkpoint",
    epilog="\b\nExamples:\n  kms-schema audit checkpoint > checkpoint.txt\n  kms-schema audit checkpoint --seal 12",
)
@click.option("--seal", "number", type=click.IntRange(1, 2**63 - 1), metavar="NUMBER", help="Else the last.")
@where
def checkpoint_command(database_url: str | None, schema: str, number: int | None) -> None:
    """Print the checkpoint of the last seal again, for keeping outside the database.

    It says what the database says now: one that was printed when the seal was made is worth more.
    """
    with opened(database_url, schema) as trail, trail.reading() as snapshot:
        text = printed(seal_of(snapshot, number))
    print_note(text)
