"""`kms-schema rotations`: schedule what is due, and hand it out to workers. docs/key-rotation.md describes each."""

import click

from kms_schema.cli.lazy_group import Lazy, LazyGroup

_COMMANDS = {
    "backfill": Lazy("kms_schema.cli.rotations.scheduling:backfill_command", "Compute missing ceilings of versions"),
    "claim": Lazy("kms_schema.cli.rotations.claims:claim_command", "Claim the next rotation under a lease"),
    "complete": Lazy("kms_schema.cli.rotations.claims:complete_command", "Mark a claimed rotation completed"),
    "due": Lazy("kms_schema.cli.rotations.scheduling:due_command", "List the keys that are due for rotation"),
    "fail": Lazy("kms_schema.cli.rotations.claims:fail_command", "Mark a claimed rotation failed"),
    "renew": Lazy("kms_schema.cli.rotations.claims:renew_command", "Extend the lease of a rotation"),
    "schedule": Lazy(
        "kms_schema.cli.rotations.scheduling:schedule_command", "Schedule rotations for keys that are due"
    ),
}


@click.group("rotations", cls=LazyGroup, lazy=_COMMANDS)
def rotations() -> None:
    """Schedule the rotations that are due, and hand them out: one worker each, under a lease.

    A member of kms_rotator may do all of it. `schedule` goes into cron, on any number of hosts.
    """
