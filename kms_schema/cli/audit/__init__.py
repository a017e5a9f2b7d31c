"""`kms-schema audit`: seal the audit trail, verify it, and prove entries. See the page "audit" of the documentation."""

import click

from kms_schema.cli.lazy_group import Lazy, LazyGroup

_COMMANDS = {
    "anomalies": Lazy("kms_schema.cli.audit.anomalies:anomalies_command", "List anomalies in the audit log"),
    "append": Lazy("kms_schema.cli.audit.entries:append_command", "Append one entry to the audit log"),
    "checkpoint": Lazy("kms_schema.cli.audit.seals:checkpoint_command", "Print the checkpoint of a seal"),
    "consistency": Lazy("kms_schema.cli.audit.proofs:consistency_command", "Prove that a trail continues another"),
    "export": Lazy("kms_schema.cli.audit.retention:export_command", "Write sealed entries to an archive"),
    "keygen": Lazy("kms_schema.cli.audit.signing:keygen_command", "Generate a key that signs seals"),
    "list": Lazy("kms_schema.cli.audit.listing:list_command", "List the newest entries"),
    "prove": Lazy("kms_schema.cli.audit.proofs:prove_command", "Prove that an entry is in the audit trail"),
    "record": Lazy("kms_schema.cli.audit.seals:record_command", "Record a publication or a cosignature"),
    "retain": Lazy("kms_schema.cli.audit.retention:retain_command", "Archive and remove expired entries"),
    "seal": Lazy("kms_schema.cli.audit.seals:seal_command", "Seal the new entries"),
    "status": Lazy("kms_schema.cli.audit.status:status_command", "Show the sealing status"),
    "verify": Lazy("kms_schema.cli.audit.verify:verify_command", "Verify seals and entries of the trail"),
}


@click.group("audit", cls=LazyGroup, lazy=_COMMANDS, words=["audit"])
def audit() -> None:
    """Seal the audit trail, verify it, and prove entries.

    Seals reveal changes to anybody who has a checkpoint from outside the database. Without an external checkpoint, the
    owner of the database can rewrite the trail and seal it again.
    """
