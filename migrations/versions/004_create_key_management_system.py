"""Create the six tables, and the guard triggers that make the audit log write-once.

A downgrade drops the audit log. It fails while the log has more than the entry that this revision wrote, unless the
option `-x allow-audit-loss=yes` is given.
"""

from kms_schema.sql.data_loss import DataLoss
from kms_schema.sql.indexes import Index, create_indexes_of_new
from kms_schema.sql.objects import create_objects, drop_objects, write_rows
from kms_schema.sql.operations import lock, set_distinct_values, writes_script

revision = "004_create_key_management_system"
down_revision = "003_optimize_audit_indexes"
branch_labels = None
depends_on = None

TABLES = (
    "key_masters_v01",
    "key_versions_v01",
    "rotation_policies_v01",
    "key_rotations_v01",
    "hsm_configurations_v01",
    "key_audit_logs_v01",
)
FILES: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "kms_uuidv7_v01",
        "kms_is_bounded_v01",
        *TABLES,
        "draw_key_version_ciphertext_tag_v01",
        "draw_key_version_ciphertext_tag_trigger_v01",
        "guard_row_bounds_v01",
        "guard_key_master_bounds_trigger_v01",
        "guard_key_version_bounds_trigger_v01",
        "guard_rotation_policy_bounds_trigger_v01",
        "guard_key_rotation_bounds_trigger_v01",
        "guard_hsm_configuration_bounds_trigger_v01",
        "validate_key_master_encrypted_columns_v01",
        "validate_key_master_encrypted_columns_trigger_v01",
        "key_audit_logs_sequence_seq_v01",
        "guard_key_audit_log_insert_v01",
        "guard_key_audit_log_insert_event_v01",
        "guard_key_audit_log_insert_values_v01",
        "guard_key_audit_log_insert_trigger_v01",
        "guard_key_audit_log_insert_event_trigger_v01",
        "guard_key_audit_log_insert_values_trigger_v01",
        "prevent_key_audit_log_change_v01",
        "prevent_key_audit_log_update_trigger_v01",
        "prevent_key_audit_log_delete_trigger_v01",
        "prevent_key_audit_log_delete_truncate_trigger_v01",
    ),
    "sqlite": (
        *TABLES,
        "draw_key_version_ciphertext_tag_insert_trigger_v01",
        "draw_key_version_ciphertext_tag_trigger_v01",
        "guard_key_master_bounds_insert_trigger_v01",
        "guard_key_master_bounds_trigger_v01",
        "guard_key_version_bounds_insert_trigger_v01",
        "guard_key_version_bounds_trigger_v01",
        "guard_rotation_policy_bounds_insert_trigger_v01",
        "guard_rotation_policy_bounds_trigger_v01",
        "guard_key_rotation_bounds_insert_trigger_v01",
        "guard_key_rotation_bounds_trigger_v01",
        "guard_hsm_configuration_bounds_insert_trigger_v01",
        "guard_hsm_configuration_bounds_trigger_v01",
        "validate_key_master_encrypted_columns_insert_trigger_v01",
        "validate_key_master_encrypted_columns_trigger_v01",
        "guard_key_audit_log_insert_trigger_v01",
        "guard_key_audit_log_insert_values_trigger_v01",
        "guard_key_audit_log_insert_sequence_trigger_v01",
        "prevent_key_audit_log_update_trigger_v01",
        "prevent_key_audit_log_delete_trigger_v01",
    ),
}

DROPPED: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "kms_uuidv7_v01",
        "kms_is_bounded_v01",
        "draw_key_version_ciphertext_tag_v01",
        "guard_row_bounds_v01",
        "validate_key_master_encrypted_columns_v01",
        "guard_key_audit_log_insert_v01",
        "guard_key_audit_log_insert_event_v01",
        "guard_key_audit_log_insert_values_v01",
        "prevent_key_audit_log_change_v01",
        *TABLES,
    ),
    "sqlite": TABLES,
}
"""Triggers and the sequence are dropped with their table, functions after it."""
REFERENCES: dict[str, tuple[str, ...]] = {
    "key_masters_v01": ("key_masters",),
    "key_versions_v01": ("key_masters", "key_versions"),
    "key_rotations_v01": ("key_masters", "key_versions", "rotation_policies"),
    "key_audit_logs_v01": ("key_masters",),
}

INDEXES = (
    Index("idx_key_masters_parent_key_id", "key_masters", ("parent_key_id",)),
    Index(
        "uq_key_versions_live",
        "key_versions",
        ("key_id",),
        unique=True,
        where="activated_at IS NOT NULL AND deactivated_at IS NULL",
    ),
    Index("idx_key_versions_wrapped_by_version_id", "key_versions", ("wrapped_by_version_id",)),
    Index(
        "uq_key_rotations_open", "key_rotations", ("key_id",), unique=True, where="status IN ('SCHEDULED', 'RUNNING')"
    ),
    Index("idx_key_rotations_key_id_old_version", "key_rotations", ("key_id", "old_version")),
    Index("idx_key_rotations_key_id_new_version", "key_rotations", ("key_id", "new_version")),
    Index("idx_key_rotations_policy_id", "key_rotations", ("policy_id",)),
    Index("idx_key_audit_logs_history", "key_audit_logs", ("key_id", "timestamp")),
)
"""The indexes that foreign keys and uniqueness need."""

# Few keys have most entries, and most queries ask for one of these. PostgreSQL plans a prepared statement for an
# average key, which among many keys has so few entries that it would sort them all.
KEYS_WITH_ENTRIES = 100

DATA_LOSS = DataLoss(
    revision="004",
    what="the audit trail",
    unit="entries",
    table="key_audit_logs",
    counted_by="lost_audit_entries_v01",
    advice="export it first",
)


def upgrade() -> None:
    create_objects(FILES, references=REFERENCES)
    create_indexes_of_new(INDEXES)
    set_distinct_values("key_audit_logs", "key_id", KEYS_WITH_ENTRIES)
    write_rows(("first_audit_entry_v01",), into="key_audit_logs")


def before_downgrade() -> None:
    """Refuse before any revision of the downgrade has changed anything; see `kms_schema/migrate/environment.py`."""
    DATA_LOSS.refuse()


def downgrade() -> None:
    if not writes_script():
        before_downgrade()  # an environment of the host's may not have called it; no client waits for this count
    # Counted once more when no session can add an entry.
    lock([name.removesuffix("_v01") for name in TABLES], "ACCESS EXCLUSIVE")
    before_downgrade()
    # On SQLite, DROP TABLE deletes the rows first, and rows that refer to a row of the same table RESTRICT that.
    write_rows({"postgresql": (), "sqlite": ("clear_key_version_material_v01",)}, into="key_versions")
    write_rows({"postgresql": (), "sqlite": ("clear_key_master_parents_v01",)}, into="key_masters")
    drop_objects(DROPPED, references=REFERENCES)
