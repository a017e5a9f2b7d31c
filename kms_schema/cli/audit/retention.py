"""`kms-schema audit export` and `retain`: archives of the trail, and the end of retention periods."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from kms_schema.audit.formats.checkpoints import LARGEST
from kms_schema.audit.proofs.prover import seal_of
from kms_schema.audit.retention.archive import write_archive
from kms_schema.audit.retention.retain import Expired, Retained, expired, retain
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.verification.external_checkpoints import printed
from kms_schema.cli import progress
from kms_schema.cli.audit.opening import opened, print_note, style_option, where
from kms_schema.cli.audit.seals import NotPublished, published
from kms_schema.cli.audit.signing import KEY_IN_ENVIRONMENT, existing, signing_key

_CHECK = "python -m kms_schema.audit.standalone.check_archive"
_number = click.IntRange(1, LARGEST)


@click.command(
    "export",
    epilog="\b\nExamples:\n  kms-schema audit export audit.jsonl.gz --since 120"
    f"\n  {_CHECK} FILE --trust keys.txt"
    "\n\nExit status: 0 exported, 1 the trail cannot be proved, 2 usage, 3 could not connect or not allowed.",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--since", type=_number, metavar="SEAL", help="What came after this seal; else from what is still kept on."
)
@click.option("--until", type=_number, metavar="SEAL", help="Up to this seal; else to the last one.")
@where
def export_command(database_url: str | None, schema: str, file: Path, since: int | None, until: int | None) -> None:
    """Write sealed entries to FILE, with what proves them, as compressed JSON lines; nothing is removed.

    Whoever has the file and a verifier key can check it without the database.
    """
    with opened(database_url, schema) as trail, trail.reading() as snapshot:
        seal, buried = seal_of(snapshot, until), snapshot.tombstone()
        first = seal_of(snapshot, since).tree_size if since else buried.leaf_count if buried else 0
        if first >= seal.tree_size:
            raise click.UsageError(
                f"seal {seal.number} is over {seal.tree_size} entries: nothing of it came after --since"
            )
        try:
            with file.open("xb") as target:
                try:
                    write_archive(
                        snapshot,
                        target,
                        seal,
                        first_leaf=first,
                        end_leaf=seal.tree_size,
                        told=partial(progress.show_count, "exported"),
                    )
                except BaseException:
                    file.unlink()
                    raise
        except FileExistsError:
            raise click.UsageError(f"{file} is there already, and is never overwritten: name another file") from None
        except OSError as error:
            raise click.UsageError(f"cannot write {file}: {error.strerror}") from None
    progress.clear()
    click.echo(f"entries: {seal.tree_size - first}, leaves {first} to {seal.tree_size - 1} of {seal.origin}")


@click.command(
    "retain",
    epilog="\b\nExamples:\n  kms-schema audit retain --archive /srv/archive --dry-run"
    "\n  kms-schema audit retain --archive /srv/archive --key seal.key \\"
    "\n      --publish 'ssh witness@elsewhere.example keep'"
    "\n\nExit status: 0 done, or nothing is past its period, 1 the trail cannot be proved, 2 usage, 3 could not"
    " connect or not allowed, 4 removed, not published.",
)
@click.option(
    "--archive", "folder", required=True, metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path), help="Where the archives are.",
)  # fmt: skip
@click.option("--key", type=existing, metavar="FILE", help=f"The private key; else {KEY_IN_ENVIRONMENT} is the key.")
@click.option("--publish", metavar="COMMAND", help="Run this with the tombstone's checkpoint on standard input.")
@click.option("--dry-run", is_flag=True, help="Say what is past its retention period; write nothing.")
@where
@style_option
def retain_command(  # noqa: PLR0917  (click passes each option by name)
    database_url: str | None, schema: str, style: str, folder: Path, key: Path | None, publish: str | None,
    dry_run: bool,
) -> None:  # fmt: skip
    """End the retention period of what is past it: export, seal a tombstone, remove exactly that.

    Entries go from the oldest on, as far as all are sealed and past their period. Each is in an archive in FOLDER
    before it is removed, and the tombstone names that file. Keep the checkpoint that this prints outside the database.
    A run that was interrupted is finished by the next one.
    """
    if dry_run:
        with opened(database_url, schema) as trail, trail.reading() as snapshot:
            _say_what_would_go(expired(snapshot), style)
        return
    signer = signing_key(key)
    if signer is None:
        raise click.UsageError(f"a tombstone is signed: give the private key with --key, or in {KEY_IN_ENVIRONMENT}")
    failed: list[bool] = []

    def sealed(made: StoredSeal) -> None:
        progress.clear()
        if style == "text":
            print_note(printed(made))
        failed.append(publish is not None and not published(made, publish))

    with opened(database_url, schema, writing=True) as trail, _refusals(folder):
        done = list(_told(retain(trail, signer, folder, progress.show_count, sealed)))
    if style == "json":
        click.echo(json.dumps([_document(each) for each in done], indent=2))
    if not done:
        click.echo("nothing is past its retention period", err=True)
    if any(failed):
        raise NotPublished(
            "what was sealed and removed stays so, and the command of --publish failed: when it works again, run"
            " kms-schema audit checkpoint | COMMAND"
        )


def _told(steps: Iterator[Retained]) -> Iterator[Retained]:
    for each in steps:
        progress.clear()
        if each.seal is None:
            click.echo(f"removed what an earlier run had left: {each.removed}", err=True)
        else:
            click.echo(f"removed: {each.removed}; seal {each.seal.number}; archive {each.archive}", err=True)
        yield each


@contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.UsageError(f"cannot write to {folder}: {error.strerror}") from None


def _document(each: Retained) -> dict[str, object]:
    return {
        "removed": each.removed,
        "archive": None if each.archive is None else str(each.archive),
        "seal": None if each.seal is None else each.seal.number,
        "checkpoint": None if each.seal is None else printed(each.seal),
    }


def _say_what_would_go(cut: Expired | None, style: str) -> None:
    if style == "json":
        document = cut and {
            "entries": cut.entries, "first_leaf": cut.first_leaf, "end_leaf": cut.end_leaf,
            "last_sequence": cut.last_sequence, "archive": cut.name,
        }  # fmt: skip
        click.echo(json.dumps(document, indent=2))
    elif cut is None:
        click.echo("nothing is past its retention period")
    else:
        click.echo(f"past their retention period: {cut.entries} entries, up to sequence {cut.last_sequence}")
