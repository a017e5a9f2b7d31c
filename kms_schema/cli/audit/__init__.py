"""`kms-schema audit`: seal the trail, verify it, and prove entries of it. docs/audit.md describes each command."""

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
    """Make the audit trail evidence: seal it, verify it, and prove entries of it.

    Seals show a change to whoever has kept a checkpoint outside the database. Without one, whoever owns the database
    can rewrite the trail and seal it anew.
    """
