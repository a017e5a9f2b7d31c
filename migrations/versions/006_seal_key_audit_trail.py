"""Create what proves the audit trail: seals, the Merkle tree that they are over, and their guards.

Nothing here touches a table that is in use. Downgrading removes the evidence and leaves the entries, so it refuses
while anything is sealed, unless it is told `-x allow-audit-loss=yes`.
"""

from alembic import op

from kms_schema.sql import create_statements, drop_statements
from kms_schema.sql.losses import Loss
from kms_schema.sql.steps import lock, qualified, schema

revision = "006_seal_key_audit_trail"
down_revision = "005_optimize_key_management"
branch_labels = None
depends_on = None

TABLES = ("key_audit_seals", "key_audit_leaves", "key_audit_subtrees")
FILES: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "key_audit_seals_v01",
        "key_audit_leaves_v01",
        "key_audit_subtrees_v01",
        "kms_restoring_v01",
        "guard_key_audit_seal_insert_v01",
        "guard_key_audit_leaf_insert_v01",
        "guard_key_audit_subtree_insert_v01",
        "prevent_key_audit_evidence_change_v01",
        "guard_key_audit_seal_insert_trigger_v01",
        "prevent_key_audit_seal_update_trigger_v01",
        "prevent_key_audit_seal_delete_trigger_v01",
        "prevent_key_audit_seal_delete_truncate_trigger_v01",
        "guard_key_audit_leaf_insert_trigger_v01",
        "prevent_key_audit_leaf_update_trigger_v01",
        "prevent_key_audit_leaf_delete_trigger_v01",
        "prevent_key_audit_leaf_delete_truncate_trigger_v01",
        "guard_key_audit_subtree_insert_trigger_v01",
        "prevent_key_audit_subtree_update_trigger_v01",
        "prevent_key_audit_subtree_delete_trigger_v01",
        "prevent_key_audit_subtree_delete_truncate_trigger_v01",
        "key_audit_trail_v01",
    ),
    "sqlite": (
        "key_audit_seals_v01",
        "key_audit_leaves_v01",
        "key_audit_subtrees_v01",
        "guard_key_audit_seal_insert_trigger_v01",
        "prevent_key_audit_seal_update_trigger_v01",
        "prevent_key_audit_seal_delete_trigger_v01",
        "guard_key_audit_leaf_insert_trigger_v01",
        "prevent_key_audit_leaf_update_trigger_v01",
        "prevent_key_audit_leaf_delete_trigger_v01",
        "guard_key_audit_subtree_insert_trigger_v01",
        "prevent_key_audit_subtree_update_trigger_v01",
        "prevent_key_audit_subtree_delete_trigger_v01",
        "key_audit_trail_v01",
    ),
}

LOSS = Loss(
    revision="006",
    what="the seals of the audit trail",
    unit="seals",
    rows="FROM {table}",
    advice="keep a checkpoint elsewhere, and know that what is sealed anew proves nothing of before",
)


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    for statement in create_statements(dialect, FILES[dialect], schema()):
        op.execute(statement)


def before_downgrade() -> None:
    """Object before any revision of the downgrade has changed anything; see `migrations/env.py`."""
    LOSS.refuse(qualified("key_audit_seals"))


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    # Sealing waits for the lock as well: nothing can be sealed after it has been counted.
    lock(("key_audit_trail", *TABLES), "ACCESS EXCLUSIVE")
    before_downgrade()
    for statement in drop_statements(dialect, FILES[dialect], schema()):
        op.execute(statement)
