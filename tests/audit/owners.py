"""A sealed trail and its owner: protections are enabled until an attack removes them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from kms_schema import validate
from kms_schema.audit.formats.checkpoints import Checkpoint
from support.engines import Database
from support.engines.database import Connection
from tests.audit.trails import checkpoint_of, seal_all, verified, write

ENTRIES = 6
"""Entries that say who did it, beside those that the migration and triggers write."""


@dataclass(frozen=True)
class Owned:
    """A connection that may do anything, and what was kept outside."""

    connection: Connection
    kept: Checkpoint
    sequence: int
    """Of the entry that attacks are about."""

    def verified(self, *, kept: bool = True) -> str:
        """Return what a verification finds, with the checkpoint from outside unless that is left out."""
        verdict = verified(self.connection, checkpoints=(self.kept,) if kept else ())
        assert verdict.seals
        return "\n".join(fault.message for fault in verdict.faults) or "sound"

    def codes(self, level: str = "catalog") -> set[str]:
        """Return the codes of the errors that the validator finds."""
        findings = validate(self.connection, level=level).findings  # type: ignore[arg-type]
        return {finding.code for finding in findings if finding.severity == "error"}


@contextmanager
def owned(database: Database) -> Iterator[Owned]:
    """Write and seal a few entries."""
    with closing(database.connect()) as connection:
        write(connection, ENTRIES, user_id="somebody")
        kept = checkpoint_of(seal_all(connection)[-1])
        ((sequence,),) = connection.execute(
            "SELECT sequence FROM key_audit_logs WHERE user_id = 'somebody' ORDER BY sequence LIMIT 1"
        ).fetchall()
        yield Owned(connection, kept, sequence)
