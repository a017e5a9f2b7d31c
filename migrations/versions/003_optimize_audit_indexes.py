"""Index the host application's general audit log, where it has one.

The base of the history, which is the branch `kms` among a host's own revisions. The table `audit_logs` is the host's:
an index is left out where the table or a column is missing, and the log says so. Only the schema of this package's
objects is searched. The names begin with idx_kms_, so that downgrade removes no index of the host's own.
"""

from kms_schema.sql.host_indexes import create_host_indexes
from kms_schema.sql.indexes import Index, drop_indexes

revision = "003_optimize_audit_indexes"
down_revision = None
branch_labels: tuple[str, ...] = ("kms",)
depends_on = None

TABLE = "audit_logs"
INDEXES = (
    Index("idx_kms_audit_logs_timestamp", TABLE, ("timestamp",)),
    Index("idx_kms_audit_logs_action_type_timestamp", TABLE, ("action_type", "timestamp")),
    Index("idx_kms_audit_logs_user_id_timestamp", TABLE, ("user_id", "timestamp")),
    Index("idx_kms_audit_logs_status_timestamp", TABLE, ("status", "timestamp")),
)


def upgrade() -> None:
    create_host_indexes("003", TABLE, INDEXES)


def downgrade() -> None:
    drop_indexes(INDEXES, if_exists=True)
