"""Create the tables that prove the audit log, and those that retention of its entries needs.

Seals, the Merkle tree that they sign, retention policies, signed tombstones, the function that removes expired
entries, and records of publications, cosignatures and validations. The guard triggers of the log and the view of
unsealed entries are replaced by versions that know these; from now on sealed entries are counted in totals. On
PostgreSQL writers of the log wait briefly, for the one trigger on it.

A downgrade drops the evidence and keeps the entries. It fails while entries are sealed, unless the option
`-x allow-audit-loss=yes` is given.
"""

from kms_schema.sql.data_loss import DataLoss
from kms_schema.sql.objects import create_objects, drop_objects, replace_objects
from kms_schema.sql.operations import delete_rows, engine_name, lock

revision = "006_prove_audit_trail"
down_revision = "005_optimize_key_management"
branch_labels = None
depends_on = None

TABLES = (
    "key_audit_tombstones",
    "key_audit_retention_policies",
    "key_audit_seals",
    "key_audit_leaves",
    "key_audit_subtrees",
    "key_operation_records",
)
FILES: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "key_audit_seals_v01",
        "key_audit_leaves_v01",
        "key_audit_subtrees_v01",
        "kms_restoring_v01",
        "lock_key_audit_seals_v01",
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
        "prevent_unrecorded_truncate_v01",
        "prevent_key_audit_retention_policy_truncate_trigger_v01",
        "audit_key_audit_retention_policy_insert_trigger_v01",
        "audit_key_audit_retention_policy_update_trigger_v01",
        "audit_key_audit_retention_policy_delete_trigger_v01",
        "key_operation_records_v01",
        "guard_key_operation_record_bounds_trigger_v01",
        "prevent_key_operation_record_update_trigger_v01",
        "prevent_key_operation_record_delete_trigger_v01",
        "prevent_key_operation_record_delete_truncate_trigger_v01",
        "summarize_sealed_key_audit_logs_v01",
        "summarize_removed_key_audit_logs_v01",
        "summarize_sealed_key_audit_logs_trigger_v01",
    ),
    "sqlite": (
        "key_audit_actor_v01",
        "guard_key_audit_actor_insert_trigger_v01",
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
        "key_operation_records_v01",
        "guard_key_operation_record_insert_trigger_v01",
        "guard_key_operation_record_bounds_trigger_v01",
        "prevent_key_operation_record_update_trigger_v01",
        "prevent_key_operation_record_delete_trigger_v01",
        "summarize_sealed_key_audit_logs_trigger_v01",
    ),
}
ON_THE_TRAIL = ("summarize_removed_key_audit_logs_trigger_v01",)

BEFORE: dict[str, tuple[str, ...]] = {
    "postgresql": ("guard_key_audit_log_insert_v01", "prevent_key_audit_log_change_v01", "key_audit_unsealed_v01"),
    "sqlite": (
        "guard_key_audit_log_insert_trigger_v01",
        "guard_key_audit_log_insert_values_trigger_v01",
        "guard_key_audit_log_insert_sequence_trigger_v01",
        "prevent_key_audit_log_update_trigger_v01",
        "prevent_key_audit_log_delete_trigger_v01",
        "key_audit_unsealed_v01",
    ),
}
AFTER: dict[str, tuple[str, ...]] = {
    "postgresql": ("guard_key_audit_log_insert_v02", "prevent_key_audit_log_change_v02", "key_audit_unsealed_v02"),
    "sqlite": (
        "guard_key_audit_log_insert_trigger_v02",
        "guard_key_audit_log_insert_values_trigger_v01",
        "guard_key_audit_log_insert_sequence_trigger_v02",
        "prevent_key_audit_log_update_trigger_v02",
        "prevent_key_audit_log_delete_trigger_v02",
        "key_audit_unsealed_v02",
    ),
}
"""Objects that read seals, policies and tombstones; on SQLite also the triggers that fire between them."""

READS: dict[str, tuple[str, ...]] = {
    "key_audit_unsealed_v01": ("key_audit_logs",),
    "key_audit_unsealed_v02": ("key_audit_leaves", "key_audit_logs", "key_audit_seals"),
    "key_audit_trail_v01": ("key_audit_leaves", "key_audit_logs", "key_audit_seals"),
}
REFERENCES: dict[str, tuple[str, ...]] = {"key_audit_tombstones_v01": ("key_audit_seals",)}

DATA_LOSS = DataLoss(
    revision="006",
    what="the seals of the audit trail",
    unit="seals",
    table="key_audit_seals",
    counted_by="lost_audit_seals_v01",
    advice="keep a checkpoint elsewhere and the archives of what was removed, and know that later seals prove"
    " nothing about the entries before them",
)


def upgrade() -> None:
    create_objects(FILES, reads=READS, references=REFERENCES)
    lock(("key_audit_logs",), "SHARE ROW EXCLUSIVE", views=("key_audit_unsealed",))
    replace_objects(AFTER, reads=READS)
    create_objects(ON_THE_TRAIL)


def before_downgrade() -> None:
    """Refuse before any revision of the downgrade has changed anything; see `kms_schema/migrate/environment.py`."""
    DATA_LOSS.refuse()


def downgrade() -> None:
    # Sealing waits for this lock too: no entry can be sealed after the count.
    lock((*TABLES, "key_audit_logs"), "ACCESS EXCLUSIVE", views=("key_audit_unsealed", "key_audit_trail"))
    before_downgrade()
    replace_objects(BEFORE, reads=READS)
    drop_objects((*FILES[engine_name()], *ON_THE_TRAIL), references=REFERENCES)
    delete_rows("key_audit_daily_totals", "key_rotation_causes")  # totals of sealed entries, and none is sealed now
