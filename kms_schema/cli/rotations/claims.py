"""`kms-schema rotations claim`, `renew`, `complete` and `fail`: one rotation under a lease."""

import datetime as dt
import uuid
from dataclasses import asdict

import click

from kms_schema.cli.openers import as_queue, opened
from kms_schema.cli.options import Common, style_option, where, with_common
from kms_schema.cli.results import print_result
from kms_schema.reading.times import time_to_text

_SECONDS = click.FloatRange(0, 7 * 86400, min_open=True)
_lease = click.option(
    "--lease", type=_SECONDS, default=600, show_default=True, metavar="SECONDS",
    help="The duration of the lease; after it, other workers may claim the rotation.",
)  # fmt: skip
_claimed = click.argument("claimed_by")


@click.command(
    "claim",
    epilog="\b\nExamples:\n  kms-schema rotations claim --worker $(hostname) --format json"
    "\n  kms-schema rotations claim --worker night-1 --lease 1800"
    "\n\nExit status: 0 claimed, 1 nothing to rotate, 2 usage, 3 no connection or missing privilege.",
)
@click.option("--worker", required=True, metavar="NAME", help="The name of the worker that claims the rotation.")
@_lease
@click.option("--any-time", is_flag=True, help="Claim a rotation even outside the window of its policy.")
@with_common(where, style_option)
def claim_command(*, worker: str, lease: float, any_time: bool, common: Common) -> int:
    """Claim the next rotation: first a rotation whose lease has expired, otherwise the earliest scheduled rotation.

    No other worker can claim it until the lease expires. `renew`, `complete` and `fail` need the id and `claimed_by`,
    which the command prints.
    """
    with opened(as_queue(), common, writing=True) as queue:
        claim = queue.claim(worker, dt.timedelta(seconds=lease), at_any_time=any_time)
    if claim is None:
        print_result(common.style, {}, "nothing to rotate now")
        return 1
    over = f", taken over from {claim.taken_over_from}" if claim.taken_over_from else ""
    text = (
        f"{claim.id} {claim.claimed_by}: key {claim.key_id}, version {claim.live_version}, {claim.trigger}{over};"
        f" until {time_to_text(claim.lease_expires_at)}"
    )
    print_result(common.style, asdict(claim), text)
    return 0


@click.command("renew", epilog="\b\nExit status: 0 renewed, 1 the lease is lost, 2 usage, 3 no connection.")
@click.argument("rotation", type=click.UUID)
@_claimed
@_lease
@with_common(where, style_option)
def renew_command(*, rotation: uuid.UUID, claimed_by: str, lease: float, common: Common) -> None:
    """Extend the lease of ROTATION, which `rotations claim` printed with CLAIMED_BY. Fails if the lease has expired."""
    with opened(as_queue(), common, writing=True) as queue:
        claim = queue.renew(queue.find(rotation, claimed_by), dt.timedelta(seconds=lease))
    ends = time_to_text(claim.lease_expires_at)
    print_result(common.style, {"id": rotation, "lease_expires_at": ends}, f"the lease ends at {ends}")


@click.command("complete", epilog="\b\nExit status: 0 completed, 1 the lease is lost, 2 usage, 3 no connection.")
@click.argument("rotation", type=click.UUID)
@_claimed
@click.option(
    "--new-version", type=click.IntRange(1, 2**31 - 1), metavar="NUMBER",
    help="The number of the version that the rotation created.",
)  # fmt: skip
@with_common(where, style_option)
def complete_command(*, rotation: uuid.UUID, claimed_by: str, new_version: int | None, common: Common) -> None:
    """Mark ROTATION completed, which `rotations claim` printed with CLAIMED_BY. Fails if the lease has expired."""
    with opened(as_queue(), common, writing=True) as queue:
        queue.complete(queue.find(rotation, claimed_by), new_version=new_version)
    print_result(common.style, {"id": rotation, "status": "COMPLETED"}, f"rotation {rotation} is completed")


@click.command("fail", epilog="\b\nExit status: 0 recorded, 1 the lease is lost, 2 usage, 3 no connection.")
@click.argument("rotation", type=click.UUID)
@_claimed
@click.option(
    "--error", required=True, metavar="TEXT", help="The error message, which is stored; write no secret into it."
)
@with_common(where, style_option)
def fail_command(*, rotation: uuid.UUID, claimed_by: str, error: str, common: Common) -> None:
    """Mark ROTATION failed, which `rotations claim` printed with CLAIMED_BY.

    A failed rotation is retried later, with twice the delay after each failure, until max_retries.
    """
    with opened(as_queue(), common, writing=True) as queue:
        again = queue.fail(queue.find(rotation, claimed_by), error)
    when = None if again is None else time_to_text(again)
    text = f"rotation {rotation} failed; " + (f"it is retried at {when}" if when else "no retry is left")
    print_result(common.style, {"id": rotation, "status": "FAILED", "next_retry_at": when}, text)
