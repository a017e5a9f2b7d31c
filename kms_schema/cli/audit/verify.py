"""`kms-schema audit verify`: compare the trail with its seals and with external checkpoints."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from kms_schema.audit.formats.checkpoints import Checkpoint, ExternalCheckpoint, read_checkpoint
from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.storage.records import UNIQUE_KEYS
from kms_schema.audit.verification.result import VerificationResult
from kms_schema.audit.verification.verifier import verify
from kms_schema.audit.verification.worker_pool import open_snapshot
from kms_schema.cli import progress
from kms_schema.cli.audit.signing import existing, verifier_keys
from kms_schema.cli.openers import as_trail, opened
from kms_schema.cli.options import Common, style_option, where, with_common
from kms_schema.cli.results import print_result
from kms_schema.cli.streams import CannotUseFile, cannot_read
from kms_schema.text.printable import counted

_COMPARED = [f"{table} ({', '.join(key)})" for table, keys in UNIQUE_KEYS.items() for key in keys]


@click.command(
    "verify",
    epilog="\b\nExamples:\n  kms-schema audit verify --checkpoint checkpoint.txt --trust keys.txt"
    "\n  kms-schema audit verify --since 120 --checkpoint checkpoint-120.txt"
    "\n  kms-schema audit verify --format json"
    "\n\nExit status: 0 the trail is as it was sealed, 1 it differs, or nothing is sealed, 2 usage, 3 no connection"
    " or missing privilege.",
)
@click.option(
    "--checkpoint", "files", type=existing, multiple=True, metavar="FILE",
    help="A file with an external checkpoint, with which the trail must agree. Repeatable.",
)  # fmt: skip
@click.option(
    "--since", type=click.IntRange(1, 2**63 - 1), metavar="SEAL",
    help="Verify only the entries after this seal, and trust the tree of the seal.",
)  # fmt: skip
@click.option(
    "--trust", type=existing, metavar="FILE",
    help="A file of verifier keys, one in a line. Each seal must be signed by one of these, or by an announced"
    " successor.",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, metavar="NUMBER",
    help="The number of processes that verify; each has its own connection to one snapshot.",
)  # fmt: skip
@with_common(where, style_option)
def verify_command(*, files: tuple[Path, ...], since: int | None, trust: Path | None, jobs: int, common: Common) -> int:
    """Verify the trail: recompute every hash from the entry contents, in one snapshot.

    Give an external checkpoint with --checkpoint. Without it, a trail that the owner of the database rewrote and sealed
    again is reported as sound.
    """
    trusted = verifier_keys(trust)
    checkpoints = [external_checkpoint(file, trusted).checkpoint for file in files]
    with opened(as_trail(), common) as trail, open_snapshot(trail, jobs) as (snapshot, workers):
        result = verify(
            snapshot, checkpoints=checkpoints, trusted=trusted, since=since, workers=workers,
            progress=progress.show_count if progress.on_terminal() else None,
        )  # fmt: skip
    progress.clear()
    sound = result.sound and result.seals > 0
    document = _document(result, checkpoints, trusted, since, sound=sound)
    print_result(common.style, document, _lines(result, checkpoints, trusted, since))
    return 0 if sound else 1


def external_checkpoint(path: Path, keys: Sequence[VerifierKey] = ()) -> ExternalCheckpoint:
    """Return the checkpoint in a file; raises `UsageError`."""
    try:
        return read_checkpoint(path, keys)
    except ValueError as error:
        raise CannotUseFile(f"{path}: {error}") from None
    except OSError as error:
        raise cannot_read(path, error) from None


def _document(
    result: VerificationResult,
    checkpoints: Sequence[Checkpoint],
    trusted: Sequence[VerifierKey],
    since: int | None,
    *,
    sound: bool,
) -> dict[str, object]:
    return {
        "sound": sound,
        "since_seal": since,
        "entries": result.entries,
        "removed": result.removed,
        "unsealed": result.unsealed,
        "seals": result.seals,
        "unsigned_seals": result.unsigned,
        "tree_size": result.tree_size,
        "checkpoints_given": len(checkpoints),
        "checkpoints_held": result.checkpoints,
        "trusted_keys": [str(key) for key in trusted],
        "against_time": result.against_time,
        "first_against_time": result.first_against_time,
        "indexes_compared": _COMPARED,
        "faults": [asdict(fault) for fault in result.faults],
        "more_faults": result.more_faults,
    }


def _lines(
    result: VerificationResult, checkpoints: Sequence[Checkpoint], trusted: Sequence[VerifierKey], since: int | None
) -> Iterator[str]:
    yield from (f"fault: {fault.message}" for fault in result.faults)
    if result.more_faults:
        yield f"and more faults: {result.more_faults}"
    after = f" after seal {since}" if since else ""
    yield f"entries{after}: {result.entries} as they were sealed, {result.unsealed} unsealed"
    if result.removed:
        yield f"removed{after} under tombstones: {result.removed}; their archives have them"
    yield f"seals: {result.seals}, the last covers {counted(result.tree_size, 'entry')}; {result.unsigned} unsigned"
    yield f"indexes compared with the rows: {len(_COMPARED)}; validate --level data compares the others"
    if not trusted:
        yield "no keys were given with --trust: a rewritten trail can have new signatures"
    if checkpoints:
        yield f"external checkpoints: {result.checkpoints} of {len(checkpoints)} agree"
    else:
        yield "no external checkpoint was given: a trail that was rewritten and sealed again would look the same"
    if since and not checkpoints:
        yield f"the tree of seal {since} is not verified"
    if result.against_time:
        yield f"times that run against the sequence: {result.against_time}; the first: {result.first_against_time}"
    if result.faults:
        yield f"NOT SOUND (faults: {len(result.faults) + result.more_faults}); the first: {result.faults[0].message}"
    else:
        yield "sound" if result.seals else "NOTHING IS SEALED, so nothing is proved; run: kms-schema audit seal"
