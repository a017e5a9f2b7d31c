"""`kms-schema rotations list`: open and recent rotations."""

import dataclasses
import datetime as dt
from typing import Any

import click

from kms_schema.cli import messages
from kms_schema.cli.openers import as_queue, opened
from kms_schema.cli.options import Common, style_option, where, with_common
from kms_schema.cli.results import print_result
from kms_schema.rotations import ListedRotation
from kms_schema.vocabulary import RotationStatus


@click.command(
    "list",
    epilog="\b\nExamples:\n  kms-schema rotations list\n  kms-schema rotations list --status FAILED --format json",
)
@click.option(
    "--status", type=click.Choice([each.value for each in RotationStatus]), help="List only rotations of this status."
)
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, metavar="N",
    help="The number of rotations to list of each status.",
)  # fmt: skip
@with_common(where, style_option)
def list_command(*, status: str | None, limit: int, common: Common) -> None:
    """List rotations: running and scheduled ones, the earliest first; then failed and completed ones, the latest first.

    A scheduled rotation is shown with its window, a failed rotation with its next attempt. The login needs the role
    kms_rotator or kms_auditor.

    Exit status: 0 done, 2 usage, 3 no connection or missing privilege.
    """
    with opened(as_queue(), common) as queue:
        found = queue.rotations(limit, status)
    if not found:
        messages.note(f"no rotations of status {status}" if status else "no rotations")
    lines = (f"{each.key_id}: {_described(each)}" for each in found)
    print_result(common.style, [_plain(each) for each in found], lines)


def _plain(rotation: ListedRotation) -> dict[str, Any]:
    return dataclasses.asdict(rotation) | {"window": rotation.window and str(rotation.window)}


def _described(rotation: ListedRotation) -> str:
    """Return the status of a rotation with what follows from it."""
    if rotation.status == RotationStatus.SCHEDULED:
        within = f", in the window {rotation.window}" if rotation.window else ""
        return f"scheduled for {_second(rotation.scheduled_at)}{within}"
    if rotation.status == RotationStatus.RUNNING:
        return f"running, claimed by {rotation.claimed_by} until {_second(rotation.lease_expires_at)}"
    if rotation.status == RotationStatus.COMPLETED:
        made = "" if rotation.new_version is None else f", version {rotation.new_version}"
        return f"completed at {_second(rotation.ended_at)}{made}"
    again = f"tried again at {_second(rotation.next_retry_at)}" if rotation.next_retry_at else "not tried again"
    return f"failed at {_second(rotation.ended_at)}, {again}: {rotation.error_message or 'no reason is stored'}"


def _second(value: dt.datetime | None) -> str:
    return "-" if value is None else f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
