"""`kms-schema rotations claim`, `renew`, `complete` and `fail`: one rotation, from the queue to its end."""

import datetime as dt
import uuid
from dataclasses import asdict

import click

from kms_schema.cli.options import style_option, where
from kms_schema.cli.rotations.open_queue import opened, print_result, timestamp

_SECONDS = click.FloatRange(0, 7 * 86400, min_open=True)
_lease = click.option(
    "--lease", type=_SECONDS, default=600, show_default=True, metavar="SECONDS", help="When others may take it over."
)
_claimed = click.argument("claimed_by")


@click.command(
    "claim",
    epilog="\b\nExamples:\n  kms-schema rotations claim --worker $(hostname) --format json"
    "\n  kms-schema rotations claim --worker night-1 --lease 1800"
    "\n\n\b\nExit status: 0 claimed, 1 there is none, 2 usage, 3 could not connect or not allowed.",
)
@click.option("--worker", required=True, metavar="NAME", help="Whose it will be.")
@_lease
@click.option("--any-time", is_flag=True, help="Outside the policy's window, too.")
@where
@style_option
def claim_command(
    *, database_url: str | None, schema: str, worker: str, lease: float, any_time: bool, style: str
) -> int:
    """Take the next rotation that nobody has: one whose worker's lease ran out, else the one planned first.

    Nothing else takes it until the lease ends. `renew`, `complete` and `fail` want its id and `claimed_by`.
    """
    with opened(database_url, schema) as queue:
        claim = queue.claim(worker, dt.timedelta(seconds=lease), at_any_time=any_time)
    if claim is None:
        print_result({}, "nothing to rotate now", style)
        return 1
    over = f", taken over from {claim.taken_over_from}" if claim.taken_over_from else ""
    text = (
        f"{claim.id} {claim.claimed_by}: key {claim.key_id}, version {claim.live_version}, {claim.trigger}{over};"
        f" until {timestamp(claim.lease_expires_at)}"
    )
    print_result(asdict(claim), text, style)
    return 0


@click.command("renew", epilog="\b\nExit status: 0 renewed, 1 the lease is lost, 2 usage, 3 could not connect.")
@click.argument("rotation", type=click.UUID)
@_claimed
@_lease
@where
@style_option
def renew_command(
    *, database_url: str | None, schema: str, rotation: uuid.UUID, claimed_by: str, lease: float, style: str
) -> None:
    """Have the lease of ROTATION end that much from now. Refused once it has run out."""
    with opened(database_url, schema) as queue:
        claim = queue.renew(queue.find(rotation, claimed_by), dt.timedelta(seconds=lease))
    ends = timestamp(claim.lease_expires_at)
    print_result({"id": rotation, "lease_expires_at": ends}, f"the lease ends at {ends}", style)


@click.command("complete", epilog="\b\nExit status: 0 completed, 1 the lease is lost, 2 usage, 3 could not connect.")
@click.argument("rotation", type=click.UUID)
@_claimed
@click.option("--new-version", type=click.IntRange(1, 2**31 - 1), metavar="NUMBER", help="The version it made.")
@where
@style_option
def complete_command(
    *, database_url: str | None, schema: str, rotation: uuid.UUID, claimed_by: str, new_version: int | None, style: str
) -> None:
    """Say that ROTATION is done. Refused once its lease has run out."""
    with opened(database_url, schema) as queue:
        queue.complete(queue.find(rotation, claimed_by), new_version=new_version)
    print_result({"id": rotation, "status": "COMPLETED"}, f"rotation {rotation} is completed", style)


@click.command("fail", epilog="\b\nExit status: 0 said, 1 the lease is lost, 2 usage, 3 could not connect.")
@click.argument("rotation", type=click.UUID)
@_claimed
@click.option("--error", required=True, metavar="TEXT", help="What went wrong; no secrets: it is stored.")
@where
@style_option
def fail_command(
    *, database_url: str | None, schema: str, rotation: uuid.UUID, claimed_by: str, error: str, style: str
) -> None:
    """Say that ROTATION failed; it is tried again later, after each failure twice as late, as long as it may be."""
    with opened(database_url, schema) as queue:
        again = queue.fail(queue.find(rotation, claimed_by), error)
    when = None if again is None else timestamp(again)
    text = f"rotation {rotation} failed; " + (f"it is tried again at {when}" if when else "no retry is left")
    print_result({"id": rotation, "status": "FAILED", "next_retry_at": when}, text, style)
