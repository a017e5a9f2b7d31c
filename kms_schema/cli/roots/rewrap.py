"""`kms-schema rewrap`: rewrap everything that one key wraps with another."""

from typing import TYPE_CHECKING

import click

from kms_schema import crypto
from kms_schema.cli.key_uris import root_key_options, wrapping_with
from kms_schema.cli.openers import as_engine, opened
from kms_schema.cli.options import Common, for_a_change, with_common
from kms_schema.cli.progress import clear, show
from kms_schema.cli.results import name_first, print_json
from kms_schema.text.printable import counted, in_a_line

if TYPE_CHECKING:
    from kms_schema.crypto.rewrapping import Outcome


@click.command(
    "rewrap",
    epilog="\b\nExamples:"
    "\n  kms-schema rewrap --from kek-2026:1 --to kek-2026:2 \\"
    "\n    --root-key kms://root-2026=root-2026.key"
    "\n  export KMS_ROOT_KEYS='kms://root-2026=2026.key kms://root-2027=2027.key'"
    "\n  kms-schema rewrap --from kms://root-2026 --to kms://root-2027 --dry-run",
)
@click.option(
    "--from", "source", required=True, metavar="WRAPPER",
    help="The key that wraps now: KEY_ID:VERSION, or the REF of a root key.",
)  # fmt: skip
@click.option(
    "--to", "target", required=True, metavar="WRAPPER",
    help="The key that shall wrap: KEY_ID:VERSION of a live version, or the REF of a root key.",
)  # fmt: skip
@root_key_options
@click.option(
    "--batch", type=click.IntRange(1, 5000), default=100, show_default=True, help="The number of rows in a transaction."
)
@click.option("--dry-run", is_flag=True, help="Count the rows that would be rewrapped, and write nothing.")
@click.option("--verify", is_flag=True, help="With --dry-run: also open each envelope.")
@with_common(for_a_change)
def rewrap_command(*, source: str, target: str, batch: int, dry_run: bool, verify: bool, common: Common) -> int:
    """Rewrap every key version and HSM credential that one key wraps with another key, in short transactions.

    REF is the name of a root key, KEY_ID:VERSION a version of a key encryption key. Other sessions continue to work. An
    interrupted command can be repeated. Each envelope is opened with its new key before it is committed.

    Exit status: 0 nothing is left under --from, 1 some rows are left, or refused, 2 usage, 3 no connection or missing
    privilege.
    """
    if verify and not dry_run:
        raise click.UsageError("--verify requires --dry-run: without it each envelope is opened anyway")
    progress = _Progress()
    try:
        with wrapping_with(common.roots) as wrapping, opened(as_engine(), common, writing=True) as engine:
            if dry_run:
                outcome = crypto.plan(engine, wrapping, source, target, verify=verify, progress=progress)
            else:
                outcome = crypto.rewrap(
                    engine, wrapping, source, target, batch=batch, actor=common.actor, progress=progress
                )
    except click.ClickException as error:
        raise type(error)(progress.ended(error.message)) from None
    except KeyboardInterrupt:
        click.echo(progress.ended("interrupted: run the command again to continue"), err=True)
        raise
    clear()
    _print_outcome(outcome, source, common.style, dry_run=dry_run)
    return 1 if outcome.left or (outcome.remaining and not dry_run) else 0


class _Progress:
    """A line of the terminal that the next one overwrites."""

    def __init__(self) -> None:
        self._done = 0

    def __call__(self, done: int, of: int) -> None:
        self._done = done
        show(f"{done} of {of}")

    def ended(self, why: str) -> str:
        """Return the reason, with the number of rows that are done."""
        clear()
        return f"{why} ({counted(self._done, 'row')} rewrapped)" if self._done else why


def _print_outcome(outcome: "Outcome", source: str, style: str, *, dry_run: bool) -> None:
    stay = [*outcome.left.values(), *outcome.unsaid.values()]
    if style == "json":
        document = {
            "dry_run": dry_run,
            "key_versions": outcome.versions,
            "hsm_configurations": outcome.configurations,
            "remaining": outcome.remaining,
            "left": [{"row": each.row, "why": each.why} for each in outcome.left.values()],
            "unsaid": [{"row": each.row, "why": each.why} for each in outcome.unsaid.values()],
        }
        print_json(document)
        return
    name_first([f"{each.row} is left: {each.why}" for each in stay])
    verb = "would be rewrapped" if dry_run else "rewrapped"
    click.echo(
        f"{counted(outcome.versions, 'key version')} and {counted(outcome.configurations, 'HSM configuration')} {verb}"
    )
    click.echo(in_a_line(f"{source} has {counted(outcome.remaining, 'dependent')}{'' if dry_run else ' left'}"))
