"""The shop brings the schema of its keys up to date when it starts, in a history apart from its own."""

from kms_schema.migrate import program
from kms_schema.migrate.options import MigrationOptions

OPTIONS = MigrationOptions(version_table="kms_alembic_version", lock_wait=60)


def upgrade_keys(url: str) -> None:
    """Upgrade; raises `kms_schema.migrate.faults.MigrationError` with one sentence for whoever starts the shop."""
    program.upgrade(url, options=OPTIONS)
