"""`kms-schema audit export` and `retain`: archives of entries, and the end of retention periods."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms_schema.audit.formats.checkpoints import LARGEST
from kms_schema.audit.proofs.prover import seal_of
from kms_schema.audit.retention import expiring
from kms_schema.audit.storage.open import open_trail
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.cli import messages, progress
from kms_schema.cli.audit.seals import NotPublished, publish_option, published
from kms_schema.cli.audit.signing import KEY_IN_ENVIRONMENT, key_option, signing_key
from kms_schema.cli.openers import as_connection, as_trail, opened
from kms_schema.cli.options import Common, OutputFile, lock_wait_option, style_option, where, with_common
from kms_schema.cli.results import print_json, print_result
from kms_schema.cli.streams import cannot_write, file_exists, kind_of
from kms_schema.files.outputs import new_file
from kms_schema.text.printable import counted

if TYPE_CHECKING:
    from kms_schema.audit.retention.retain import Retained

_CHECK = "python -m kms_schema.audit.standalone.check_audit archive"
_number = click.IntRange(1, LARGEST)


@click.command(
    "export",
    epilog="\b\nExamples:\n  kms-schema audit export audit.jsonl.gz --since 120"
    f"\n  {_CHECK} FILE \\\n    --trust keys.txt"
    "\n\nExit status: 0 exported, 1 the trail cannot be proved, 2 usage, 3 no connection or missing privilege.",
)
@click.argument("file", type=OutputFile(only_files=True))
@click.option(
    "--since", type=_number, metavar="SEAL", help="Export the entries after this seal; default: from the oldest entry."
)
@click.option(
    "--until", type=_number, metavar="SEAL", help="Export the entries up to this seal; default: up to the last seal."
)
@with_common(lock_wait_option, where, style_option)
def export_command(*, file: Path, since: int | None, until: int | None, common: Common) -> None:
    """Write sealed entries and their proof to the new archive FILE; the database keeps the entries.

    The archive has compressed JSON lines. It is verified with a verifier key, without the database.
    """
    from kms_schema.audit.retention import archive

    with opened(as_trail(), common) as trail, trail.reading() as snapshot:
        seal, removed = seal_of(snapshot.seals, until), snapshot.tombstones.newest()
        first = seal_of(snapshot.seals, since).tree_size if since else removed.leaf_count if removed else 0
        if first >= seal.tree_size:
            raise click.UsageError(
                f"seal {seal.number} covers {counted(seal.tree_size, 'entry')}, and none of them is after --since"
            )
        try:
            with new_file(file) as target:
                archive.write_archive(
                    snapshot,
                    target,
                    seal,
                    range(first, seal.tree_size),
                    progress=partial(progress.show_count, "exported"),
                )
        except FileExistsError as error:
            raise file_exists(error, file) from None
        except OSError as error:
            raise cannot_write(file, error) from None
    progress.clear()
    count, last = seal.tree_size - first, seal.tree_size - 1
    document = {"file": str(file), "entries": count, "origin": seal.origin, "first_leaf": first, "last_leaf": last}
    print_result(common.style, document, f"entries: {count}, leaves {first} to {last} of {seal.origin}")


@click.command(
    "retain",
    epilog="\b\nExamples:\n  kms-schema audit retain --archive /srv/archive --dry-run"
    "\n  kms-schema audit retain --archive /srv/archive --key seal.key \\"
    "\n    --publish 'ssh witness@elsewhere.example keep'"
    "\n\nExit status: 0 done, or no entry has expired, 1 the trail cannot be proved, or another key"
    " signs, 2 usage, 3 no connection or missing privilege, 4 removed, not published.",
)
@click.option(
    "--archive", "folder", required=True, metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path), help="The folder for archives.",
)  # fmt: skip
@key_option
@publish_option
@click.option("--dry-run", is_flag=True, help="Show the expired entries, and write nothing.")
@with_common(lock_wait_option, where, style_option)
def retain_command(*, folder: Path, key: Path | None, publish: str | None, dry_run: bool, common: Common) -> None:
    """Archive and remove entries whose retention period has ended.

    Entries are removed in the order of the tree, as long as they are expired. Each entry is in an archive in FOLDER
    before it is removed, and a sealed tombstone names the archive. Store the printed checkpoint outside the database.
    The next run completes an interrupted run, and prints and publishes its checkpoint.
    """
    from kms_schema.audit.retention import retain

    if dry_run:
        with opened(as_trail(), common) as trail, trail.reading() as snapshot:
            _show_expired(expiring.expired(snapshot), common.style)
        return
    signer = signing_key(key)
    if signer is None:
        raise click.UsageError(
            f"a tombstone must be signed: give the private key with --key, or in {KEY_IN_ENVIRONMENT}"
        )
    unpublished: list[int] = []

    def sealed(made: StoredSeal) -> None:
        progress.clear()
        if common.style == "text":
            messages.note_result(made.checkpoint_text())
        if publish is not None and not published(made, publish, connection, common.schema):
            unpublished.append(made.number)

    with opened(as_connection(), common, writing=True) as connection, _refusals(folder):
        trail = open_trail(connection, common.schema, common.lock_wait)
        done = list(_reported(retain.retain(trail, signer, folder, progress.show_count, sealed)))
    if common.style == "json":
        print_json([_document(each) for each in done])
    if not done:
        messages.note("no entry has expired")
    if unpublished:
        again = " and ".join(f"kms-schema audit checkpoint --seal {number} | COMMAND" for number in unpublished)
        raise NotPublished(
            f"entries were removed, but the command of --publish failed: when it works again, run {again}"
        )


def _reported(steps: "Iterator[Retained]") -> "Iterator[Retained]":
    for each in steps:
        progress.clear()
        number = each.seal and each.seal.number
        if each.archive is None:
            messages.note(f"removed entries of an earlier run: {each.removed}; seal {number}")
        else:
            messages.note(f"removed: {each.removed}; seal {number}; archive {each.archive}")
        yield each


@contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise kind_of(error)(f"cannot write to {folder}: {error.strerror}") from None


def _document(each: "Retained") -> dict[str, object]:
    return {
        "removed": each.removed,
        "archive": None if each.archive is None else str(each.archive),
        "seal": None if each.seal is None else each.seal.number,
        "checkpoint": None if each.seal is None else each.seal.checkpoint_text(),
    }


def _show_expired(cut: expiring.Expired | None, style: str) -> None:
    if cut is None:
        print_result(style, None, "no entry has expired")
        return
    document = {
        "entries": cut.entries, "first_leaf": cut.first_leaf, "end_leaf": cut.end_leaf,
        "last_sequence": cut.last_sequence, "archive": cut.name,
    }  # fmt: skip
    print_result(style, document, f"expired: {counted(cut.entries, 'entry')}, up to sequence {cut.last_sequence}")
