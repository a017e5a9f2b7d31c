"""`kms-schema rotations`: schedule what is due, and hand it out to workers. docs/key-rotation.md describes each."""

import click

from kms_schema.cli import LazyGroup

_COMMANDS = {
    "backfill": "kms_schema.cli.rotations.scheduling:backfill_command",
    "claim": "kms_schema.cli.rotations.working:claim_command",
    "complete": "kms_schema.cli.rotations.working:complete_command",
    "due": "kms_schema.cli.rotations.scheduling:due_command",
    "fail": "kms_schema.cli.rotations.working:fail_command",
    "renew": "kms_schema.cli.rotations.working:renew_command",
    "schedule": "kms_schema.cli.rotations.scheduling:schedule_command",
}


@click.group("rotations", cls=LazyGroup, where=_COMMANDS)
def rotations() -> None:
    """Schedule the rotations that are due, and hand them out: one worker each, under a lease.

    A member of kms_rotator may do all of it. `schedule` goes into cron, on any number of hosts.
    """
