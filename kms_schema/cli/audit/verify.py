"""`kms-schema audit verify`: is the trail what was sealed?"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.verification.external_checkpoints import ExternalCheckpoint, read_checkpoint
from kms_schema.audit.verification.verifier import Verdict, verify
from kms_schema.cli import progress
from kms_schema.cli.audit.opening import opened, print_lines, style_option, where
from kms_schema.cli.audit.signing import existing, verifier_keys
from kms_schema.printable import in_a_line


@click.command(
    "verify",
    epilog="\b\nExamples:\n  kms-schema audit verify --checkpoint kept.txt --trust keys.txt"
    "\n  kms-schema audit verify --since 120 --checkpoint checkpoint-120.txt"
    "\n  kms-schema audit verify --format json"
    "\n\n\b\nExit status: 0 the trail is what was sealed, 1 it is not, or nothing is sealed, 2 usage, 3 could not"
    "\nconnect or not allowed.",
)
@click.option(
    "--checkpoint", "files", type=existing, multiple=True, metavar="FILE",
    help="One that was kept outside: the trail must lead to it. May be given several times.",
)  # fmt: skip
@click.option(
    "--since", type=click.IntRange(1, 2**63 - 1), metavar="SEAL",
    help="Verify what came after this seal, and take its word for what is before.",
)  # fmt: skip
@click.option(
    "--trust", type=existing, metavar="FILE",
    help="Verifier keys, one a line: every seal must be signed by one, or by a successor that such a seal announces.",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, metavar="NUMBER",
    help="How many processes verify, each with a connection of its own to the same snapshot.",
)  # fmt: skip
@where
@style_option
def verify_command(  # noqa: PLR0917  (click passes each option by name)
    database_url: str | None,
    schema: str,
    style: str,
    files: tuple[Path, ...],
    since: int | None,
    trust: Path | None,
    jobs: int,
) -> int:
    """Verify the trail from its content: every hash is made anew, in one snapshot.

    Give it a checkpoint that was kept outside. Without one, a trail that the owner of the database rewrote and sealed
    anew is found sound.
    """
    trusted = verifier_keys(trust)
    checkpoints = [outside(file, trusted).checkpoint for file in files]
    with opened(database_url, schema) as trail, trail.reading(jobs) as snapshot:
        verdict = verify(
            snapshot, checkpoints=checkpoints, trusted=trusted, since=since,
            progress=progress.show_count if progress.on_terminal() else None,
        )  # fmt: skip
    progress.clear()
    holds = verdict.sound and verdict.seals > 0
    if style == "json":
        click.echo(_json(verdict, checkpoints, trusted, since, holds=holds))
    else:
        print_lines("\n".join(map(in_a_line, _lines(verdict, checkpoints, trusted, since))))
    return 0 if holds else 1


def outside(path: Path, keys: Sequence[VerifierKey] = ()) -> ExternalCheckpoint:
    """Return the checkpoint in a file; raises `UsageError`."""
    try:
        return read_checkpoint(path, keys)
    except ValueError as error:
        raise click.UsageError(f"{path}: {error}") from None
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from None


def _json(
    verdict: Verdict,
    checkpoints: Sequence[Checkpoint],
    trusted: Sequence[VerifierKey],
    since: int | None,
    *,
    holds: bool,
) -> str:
    document = {
        "sound": holds,
        "since_seal": since,
        "entries": verdict.entries,
        "removed": verdict.removed,
        "unsealed": verdict.unsealed,
        "seals": verdict.seals,
        "unsigned_seals": verdict.unsigned,
        "tree_size": verdict.tree_size,
        "checkpoints_given": len(checkpoints),
        "checkpoints_held": verdict.checkpoints,
        "trusted_keys": [str(key) for key in trusted],
        "faults": [asdict(fault) for fault in verdict.faults],
        "more_faults": verdict.more_faults,
    }
    return json.dumps(document, indent=2)


def _lines(
    verdict: Verdict, checkpoints: Sequence[Checkpoint], trusted: Sequence[VerifierKey], since: int | None
) -> Iterator[str]:
    yield from (f"fault: {fault.message}" for fault in verdict.faults)
    if verdict.more_faults:
        yield f"and more faults: {verdict.more_faults}"
    after = f" after seal {since}" if since else ""
    yield f"entries{after}: {verdict.entries} as they were sealed, {verdict.unsealed} not sealed yet"
    if verdict.removed:
        yield f"removed{after} under tombstones: {verdict.removed}; their archives say what they were"
    yield f"seals: {verdict.seals}, the last over {verdict.tree_size} entries; {verdict.unsigned} unsigned"
    if not trusted:
        yield "no keys were given with --trust: whoever made the seals anew could have signed them"
    if checkpoints:
        yield f"checkpoints from outside: {verdict.checkpoints} of {len(checkpoints)} hold"
    else:
        yield "no checkpoint from outside was given: a trail that was rewritten and sealed anew would look the same"
    if since and not checkpoints:
        yield f"what is before seal {since} is taken on its word"
    if verdict.faults:
        yield f"NOT SOUND (faults: {len(verdict.faults) + verdict.more_faults}); the first: {verdict.faults[0].message}"
    else:
        yield "sound" if verdict.seals else "NOTHING IS SEALED, so nothing is proved; run: kms-schema audit seal"
