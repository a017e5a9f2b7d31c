"""`kms-schema rotations`: schedule rotations and assign them to workers."""

import click

from kms_schema.cli.lazy_group import Lazy, LazyGroup

IN_PROGRAM = {
    "policies": Lazy("kms_schema.cli.policies:policies", "Create and change rotation policies"),
    "refresh": Lazy("kms_schema.cli.rotations.refresh:refresh_command", "Refresh the views and the use of keys"),
    "rotations": Lazy("kms_schema.cli.rotations:rotations", "Schedule, claim and complete rotations"),
}
_COMMANDS = {
    "backfill": Lazy(
        "kms_schema.cli.rotations.scheduling:backfill_command", "Compute missing index bounds of versions"
    ),
    "claim": Lazy("kms_schema.cli.rotations.claims:claim_command", "Claim the next rotation under a lease"),
    "complete": Lazy("kms_schema.cli.rotations.claims:complete_command", "Mark a claimed rotation completed"),
    "due": Lazy("kms_schema.cli.rotations.scheduling:due_command", "List the keys that are due for rotation"),
    "fail": Lazy("kms_schema.cli.rotations.claims:fail_command", "Mark a claimed rotation failed"),
    "list": Lazy("kms_schema.cli.rotations.listing:list_command", "List open and recent rotations"),
    "renew": Lazy("kms_schema.cli.rotations.claims:renew_command", "Extend the lease of a rotation"),
    "run": Lazy("kms_schema.cli.rotations.running:run_command", "Rotate the keys that are due"),
    "schedule": Lazy(
        "kms_schema.cli.rotations.scheduling:schedule_command", "Schedule rotations for keys that are due"
    ),
}


@click.group("rotations", cls=LazyGroup, lazy=_COMMANDS, words=["rotations"])
def rotations() -> None:
    """Schedule the rotations that are due, and assign each to one worker under a lease.

    All commands need the role kms_rotator. `run` does everything; the other commands are for workers of your own, with
    `schedule` from cron, on any number of hosts.
    """
