"""`kms-schema audit prove` and `consistency`: proofs that are verified without the database."""

import uuid
from pathlib import Path

import click

from kms_schema.audit.formats.checkpoints import LARGEST, ExternalCheckpoint
from kms_schema.audit.proofs.prover import prove_consistency, prove_inclusion
from kms_schema.cli.audit.verify import external_checkpoint
from kms_schema.cli.openers import as_trail, opened
from kms_schema.cli.options import Common, where, with_common

_CHECK = "python -m kms_schema.audit.standalone.check_audit proof proof.json \\\n    --trust keys.txt"
_STATUS = "\n\nExit status: 0 a proof was printed, 1 no proof, 2 usage, 3 no connection or missing privilege."


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= LARGEST else None


def _entry(_context: click.Context, _parameter: click.Parameter, text: str) -> uuid.UUID | int:
    try:
        return _number(text) or uuid.UUID(text)
    except ValueError:
        raise click.BadParameter(
            "neither the sequence nor the id of an entry: kms-schema audit list shows them"
        ) from None


def _seal_or_file(_context: click.Context, _parameter: click.Parameter, text: str) -> ExternalCheckpoint | int:
    return _number(text) or external_checkpoint(Path(text))


@click.command(
    "prove",
    epilog=f"\b\nExamples:\n  kms-schema audit prove 4711 > proof.json\n  {_CHECK} --checkpoint checkpoint.txt"
    f"\n  kms-schema audit prove 0193a5b2-7c10-7000-8000-000000000001 --seal 2{_STATUS}",
)
@click.argument("entry", callback=_entry)
@click.option(
    "--seal", type=click.IntRange(1, LARGEST), metavar="NUMBER",
    help="The number of the seal that the proof refers to; default: the last seal.",
)  # fmt: skip
@with_common(where)
def prove_command(*, entry: uuid.UUID | int, seal: int | None, common: Common) -> None:
    """Print a proof that ENTRY, an id or a sequence number, is in the sealed trail.

    The proof is a JSON document, which is verified with a checkpoint and a verifier key, without the database.
    """
    with opened(as_trail(), common) as trail, trail.reading() as snapshot:
        document = prove_inclusion(snapshot, entry, seal)
    click.echo(document, nl=False)


@click.command(
    "consistency",
    epilog="\b\nExamples:\n  kms-schema audit consistency 3 12 > proof.json"
    f"\n  kms-schema audit consistency checkpoint.txt 12 > proof.json\n  {_CHECK} --checkpoint checkpoint.txt{_STATUS}",
)
@click.argument("old", callback=_seal_or_file)
@click.argument("new", callback=_seal_or_file)
@with_common(where)
def consistency_command(*, old: ExternalCheckpoint | int, new: ExternalCheckpoint | int, common: Common) -> None:
    """Print a proof that the trail at NEW is the trail at OLD with more entries after it.

    OLD and NEW are numbers of seals, or files of external checkpoints. A file whose name is a number is written ./12.
    """
    with opened(as_trail(), common) as trail, trail.reading() as snapshot:
        document = prove_consistency(snapshot, old, new)
    click.echo(document, nl=False)
