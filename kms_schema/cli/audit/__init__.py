"""`kms-schema audit`: seal the audit trail, verify it, and prove entries. docs/audit.md describes each command."""

import click

from kms_schema.cli import LazyGroup

_COMMANDS = {
    "append": "kms_schema.cli.audit.entries:append_command",
    "checkpoint": "kms_schema.cli.audit.seals:checkpoint_command",
    "consistency": "kms_schema.cli.audit.proofs:consistency_command",
    "export": "kms_schema.cli.audit.retention:export_command",
    "keygen": "kms_schema.cli.audit.signing:keygen_command",
    "prove": "kms_schema.cli.audit.proofs:prove_command",
    "retain": "kms_schema.cli.audit.retention:retain_command",
    "seal": "kms_schema.cli.audit.seals:seal_command",
    "status": "kms_schema.cli.audit.status:status_command",
    "verify": "kms_schema.cli.audit.verify:verify_command",
}


@click.group("audit", cls=LazyGroup, where=_COMMANDS)
def audit() -> None:
    """Seal the audit trail, verify it, and prove entries.

    Seals reveal changes to anybody who has a checkpoint from outside the database. Without an external checkpoint, the
    owner of the database can rewrite the trail and seal it again.
    """
