"""End retention periods lawfully: policies, signed tombstones, and the one way by which expired entries go.

Functions are exchanged under the triggers of the trail, so on PostgreSQL neither its writers nor its readers wait.
Downgrading takes away what says that entries were removed by right, so it refuses while there is a tombstone, unless it
is told `-x allow-audit-loss=yes`.
"""

from alembic import op

from kms_schema.sql import create_statements, drop_statements, replace_statements
from kms_schema.sql.losses import Loss
from kms_schema.sql.steps import lock, qualified, schema

revision = "009_retain_key_audit_trail"
down_revision = "008_name_wrapping_keys"
branch_labels = None
depends_on = None

TABLES = ("key_audit_tombstones", "key_audit_retention_policies")
FILES: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "key_audit_retention_policies_v01",
        "remove_expired_key_audit_logs_v01",
        "guard_key_audit_tombstone_insert_v01",
        "audit_retention_change_v01",
        "key_audit_tombstones_v01",
        "guard_key_audit_tombstone_insert_trigger_v01",
        "prevent_key_audit_tombstone_update_trigger_v01",
        "prevent_key_audit_tombstone_delete_trigger_v01",
        "prevent_key_audit_tombstone_delete_truncate_trigger_v01",
        "audit_key_audit_tombstone_insert_trigger_v01",
        "prevent_key_audit_retention_policy_truncate_trigger_v01",
        "audit_key_audit_retention_policy_insert_trigger_v01",
        "audit_key_audit_retention_policy_update_trigger_v01",
        "audit_key_audit_retention_policy_delete_trigger_v01",
    ),
    "sqlite": (
        "key_audit_tombstones_v01",
        "key_audit_retention_policies_v01",
        "guard_key_audit_tombstone_insert_trigger_v01",
        "prevent_key_audit_tombstone_update_trigger_v01",
        "prevent_key_audit_tombstone_delete_trigger_v01",
        "audit_key_audit_tombstone_insert_trigger_v01",
        "guard_key_audit_retention_policy_insert_trigger_v01",
        "guard_key_audit_retention_policy_update_trigger_v01",
        "audit_key_audit_retention_policy_insert_trigger_v01",
        "audit_key_audit_retention_policy_update_trigger_v01",
        "audit_key_audit_retention_policy_delete_trigger_v01",
    ),
}
BEFORE: dict[str, tuple[str, ...]] = {
    "postgresql": ("guard_key_audit_log_insert_v01", "prevent_key_audit_log_change_v01"),
    "sqlite": (
        "guard_key_audit_log_insert_trigger_v01",
        "guard_key_audit_log_insert_values_trigger_v01",
        "guard_key_audit_log_insert_sequence_trigger_v01",
        "prevent_key_audit_log_update_trigger_v01",
        "prevent_key_audit_log_delete_trigger_v01",
    ),
}
AFTER: dict[str, tuple[str, ...]] = {
    "postgresql": ("guard_key_audit_log_insert_v02", "prevent_key_audit_log_change_v02"),
    "sqlite": (
        "guard_key_audit_log_insert_trigger_v02",
        "guard_key_audit_log_insert_values_trigger_v01",
        "guard_key_audit_log_insert_sequence_trigger_v02",
        "prevent_key_audit_log_update_trigger_v02",
        "prevent_key_audit_log_delete_trigger_v02",
    ),
}
"""What of earlier revisions knows of policies and tombstones from now on; on SQLite, all that is asked in its turn."""

LOSS = Loss(
    revision="009",
    what="the tombstones of the audit trail",
    unit="tombstones",
    rows="FROM {table}",
    advice="keep the archives, and know that entries which were removed by right will look as if somebody had cut them",
)


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    for statement in (
        *replace_statements(dialect, AFTER[dialect], schema()),
        *create_statements(dialect, FILES[dialect], schema()),
    ):
        op.execute(statement)


def before_downgrade() -> None:
    """Object before any revision of the downgrade has changed anything; see `migrations/env.py`."""
    LOSS.refuse(qualified("key_audit_tombstones"))


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    lock(("key_audit_seals", *TABLES), "ACCESS EXCLUSIVE")  # a tombstone refers to its seal
    before_downgrade()
    for statement in (
        *replace_statements(dialect, BEFORE[dialect], schema()),
        *drop_statements(dialect, FILES[dialect], schema()),
    ):
        op.execute(statement)
