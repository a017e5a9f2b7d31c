"""Create the indexes of the workload, the views, and the triggers that enforce lifecycle, policies and chronology.

The totals that the dashboard reads stay empty until entries are sealed: before that all of them are unsealed.

On PostgreSQL the indexes come first, CONCURRENTLY. After an interruption the next run keeps the indexes that are built,
and builds again those that are INVALID. Everything else follows in one transaction, which locks the tables only for
its last part, the triggers. Rows are checked before anything is changed, and again when the triggers are committed;
see `kms_schema/sql/checked_triggers.py`.
"""

from kms_schema.sql.checked_triggers import CheckedTriggers
from kms_schema.sql.indexes import Index, create_indexes, create_indexes_of_new, drop_indexes
from kms_schema.sql.objects import create_all_but_triggers, create_triggers, drop_objects, write_rows
from kms_schema.sql.operations import engine_name, lock

revision = "005_optimize_key_management"
down_revision = "004_create_key_management_system"
branch_labels = None
depends_on = None

LIVE = "activated_at IS NOT NULL AND deactivated_at IS NULL"
# Entries are written in the order of their times: a BRIN index on every 32 pages finds those of a week as fast as a
# B-tree, in a thousandth of its size. SQLite has none.
BRIN: dict[str, str | int] = {"autosummarize": "on", "pages_per_range": 32}
INDEXES = (
    Index("idx_key_masters_dashboard_covering", "key_masters",
          ("status", "key_type", "created_at", "expires_at", "usage_count")),
    Index("idx_key_masters_expiring_partial", "key_masters", ("expires_at", "key_id", "key_type"),
          where="status = 'active' AND expires_at IS NOT NULL"),
    Index("idx_key_masters_hsm_partial", "key_masters", ("hsm_provider", "hsm_key_id", "status"),
          where="hsm_provider IS NOT NULL"),
    Index("idx_key_versions_lifecycle", "key_versions", ("key_id", "version_number", "activated_at", "deactivated_at")),
    Index("idx_key_rotations_history", "key_rotations", ("key_id", "scheduled_at")),
    Index("idx_key_rotations_scheduling_covering", "key_rotations",
          ("status", "scheduled_at", "key_id", "trigger", "retry_count")),
    Index("idx_key_rotations_failed_partial", "key_rotations", ("failed_at", "key_id", "substr(error_message, 1, 200)"),
          where="status = 'FAILED'"),
    Index("idx_key_audit_high_risk_partial", "key_audit_logs", ("timestamp", "key_id", "event_type", "risk_score"),
          where="risk_score >= 70 OR security_level IN ('HIGH', 'CRITICAL')"),
    Index("idx_key_versions_wrapping_key_ref", "key_versions", ("wrapping_key_ref",),
          where="wrapping_key_ref IS NOT NULL"),
    Index("idx_key_masters_rotation_partial", "key_masters", ("key_type", "coalesce(rotated_at, activated_at)"),
          where="status = 'active'"),
    Index("idx_key_masters_newest", "key_masters", ("status", "key_type", "created_at", "key_id")),
    Index("idx_key_versions_age_partial", "key_versions", ("key_type", "activated_at"), where=LIVE),
    Index("idx_key_versions_usage_partial", "key_versions", ("key_type", "usage_index_bound"), where=LIVE),
    Index("idx_key_versions_volume_partial", "key_versions", ("key_type", "volume_index_bound"), where=LIVE),
    Index("idx_key_rotations_retry_partial", "key_rotations", ("key_id", "next_retry_at"),
          where="status = 'FAILED' AND next_retry_at IS NOT NULL AND retry_count < max_retries"),
    Index("idx_key_audit_logs_timestamp", "key_audit_logs", ("timestamp",), using="brin", storage=BRIN),
)  # fmt: skip
SCORES: dict[str, tuple[Index, ...]] = {
    "postgresql": (Index("idx_key_health_monitor_score", "key_health_monitor", ("health_score", "key_id")),),
    "sqlite": (),
}
"""On SQLite scores are computed when they are read, so that nothing has to be kept in order."""

TOTALS_AND_VIEWS = (
    "key_audit_daily_totals_v01",
    "key_rotation_causes_v01",
    "key_audit_unsealed_v01",
    "rotations_due_v01",
    "key_wrapping_dependents_v01",
)
FILES: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "protect_row_identity_v01",
        "protect_key_master_identity_trigger_v01",
        "protect_key_version_identity_trigger_v01",
        "protect_rotation_policy_identity_trigger_v01",
        "protect_key_rotation_identity_trigger_v01",
        "protect_hsm_configuration_identity_trigger_v01",
        "prevent_counter_decrease_v01",
        "prevent_key_master_counter_decrease_trigger_v01",
        "prevent_key_version_counter_decrease_trigger_v01",
        "touch_updated_at_v01",
        "touch_key_master_updated_at_trigger_v01",
        "touch_rotation_policy_updated_at_trigger_v01",
        "touch_hsm_configuration_updated_at_trigger_v01",
        "enforce_key_lifecycle_consistency_v01",
        "enforce_key_lifecycle_consistency_trigger_v01",
        "enforce_key_lifecycle_consistency_end_live_version_v01",
        "enforce_key_lifecycle_consistency_end_live_version_trigger_v01",
        "validate_key_master_parent_v01",
        "validate_key_master_parent_trigger_v01",
        "validate_key_master_custody_v01",
        "validate_key_master_custody_trigger_v01",
        "validate_key_version_chronology_v01",
        "validate_key_version_chronology_trigger_v01",
        "validate_key_version_activation_v01",
        "validate_key_version_activation_trigger_v01",
        "validate_key_version_material_v01",
        "validate_key_version_material_trigger_v01",
        "validate_key_version_wrapper_v01",
        "validate_key_version_wrapper_trigger_v01",
        "prevent_key_version_destruction_v01",
        "prevent_key_version_destruction_trigger_v01",
        "prevent_key_version_delete_v01",
        "prevent_key_version_delete_trigger_v01",
        "prevent_key_version_delete_truncate_trigger_v01",
        "record_key_version_v01",
        "record_key_version_insert_v01",
        "record_key_version_insert_trigger_v01",
        "record_key_version_activation_trigger_v01",
        "record_key_version_index_bounds_v01",
        "record_key_version_index_bounds_insert_trigger_v01",
        "record_key_version_index_bounds_trigger_v01",
        "record_key_version_index_bounds_change_trigger_v01",
        "record_key_version_index_bounds_limit_v01",
        "record_key_version_index_bounds_limit_trigger_v01",
        "notify_key_change_v01",
        "notify_key_master_change_trigger_v01",
        "notify_key_version_change_trigger_v01",
        "notify_key_version_insert_trigger_v01",
        "validate_rotation_policy_triggers_v01",
        "validate_rotation_policy_triggers_trigger_v01",
        "validate_rotation_policy_timezone_v01",
        "validate_rotation_policy_timezone_trigger_v01",
        "validate_hsm_configuration_credentials_v01",
        "validate_hsm_configuration_credentials_trigger_v01",
        "prevent_key_rotation_truncate_v01",
        "prevent_key_rotation_truncate_trigger_v01",
        "enforce_key_rotation_lifecycle_v01",
        "enforce_key_rotation_lifecycle_trigger_v01",
        *TOTALS_AND_VIEWS,
        "key_management_dashboard_v01",
        "uq_key_management_dashboard_v01",
        "key_health_monitor_v01",
        "uq_key_health_monitor_v01",
        "key_view_refreshes_v01",
        "refresh_key_views_v01",
    ),
    "sqlite": (
        "guard_key_master_insert_trigger_v01",
        "guard_key_master_update_trigger_v01",
        "guard_key_version_insert_trigger_v01",
        "guard_key_version_update_trigger_v01",
        "guard_rotation_policy_insert_trigger_v01",
        "guard_rotation_policy_update_trigger_v01",
        "guard_key_rotation_insert_trigger_v01",
        "guard_key_rotation_update_trigger_v01",
        "guard_hsm_configuration_insert_trigger_v01",
        "guard_hsm_configuration_update_trigger_v01",
        "guard_key_master_not_null_insert_trigger_v01",
        "guard_key_master_not_null_trigger_v01",
        "guard_key_version_not_null_insert_trigger_v01",
        "guard_key_version_not_null_trigger_v01",
        "guard_rotation_policy_not_null_insert_trigger_v01",
        "guard_rotation_policy_not_null_trigger_v01",
        "guard_key_rotation_not_null_insert_trigger_v01",
        "guard_key_rotation_not_null_trigger_v01",
        "guard_hsm_configuration_not_null_insert_trigger_v01",
        "guard_hsm_configuration_not_null_trigger_v01",
        "guard_key_rotation_references_insert_trigger_v01",
        "guard_key_rotation_references_update_trigger_v01",
        "protect_key_master_identity_trigger_v01",
        "protect_key_version_identity_trigger_v01",
        "protect_rotation_policy_identity_trigger_v01",
        "protect_key_rotation_identity_trigger_v01",
        "protect_hsm_configuration_identity_trigger_v01",
        "prevent_key_master_counter_decrease_trigger_v01",
        "prevent_key_version_counter_decrease_trigger_v01",
        "touch_key_master_updated_at_trigger_v01",
        "touch_rotation_policy_updated_at_trigger_v01",
        "touch_hsm_configuration_updated_at_trigger_v01",
        "enforce_key_lifecycle_consistency_trigger_v01",
        "enforce_key_lifecycle_consistency_insert_trigger_v01",
        "enforce_key_lifecycle_consistency_fill_trigger_v01",
        "validate_key_master_parent_trigger_v01",
        "validate_key_master_parent_insert_trigger_v01",
        "validate_key_master_custody_trigger_v01",
        "prevent_key_master_delete_trigger_v01",
        "prevent_key_master_delete_cascade_trigger_v01",
        "validate_key_version_chronology_trigger_v01",
        "validate_key_version_chronology_insert_trigger_v01",
        "validate_key_version_activation_trigger_v01",
        "validate_key_version_activation_insert_trigger_v01",
        "validate_key_version_material_trigger_v01",
        "validate_key_version_material_insert_trigger_v01",
        "validate_key_version_wrapper_trigger_v01",
        "validate_key_version_wrapper_insert_trigger_v01",
        "prevent_key_version_destruction_trigger_v01",
        "prevent_key_version_delete_trigger_v01",
        "record_key_version_insert_trigger_v01",
        "record_key_version_activation_trigger_v01",
        "record_key_version_index_bounds_insert_trigger_v01",
        "record_key_version_index_bounds_trigger_v01",
        "record_key_version_index_bounds_change_trigger_v01",
        "record_key_version_index_bounds_limit_trigger_v01",
        "validate_rotation_policy_triggers_trigger_v01",
        "validate_rotation_policy_triggers_insert_trigger_v01",
        "release_key_rotations_trigger_v01",
        "enforce_key_rotation_lifecycle_trigger_v01",
        "enforce_key_rotation_lifecycle_insert_trigger_v01",
        "enforce_key_rotation_lifecycle_fill_trigger_v01",
        *TOTALS_AND_VIEWS,
        "key_management_dashboard_v01",
        "key_health_monitor_v01",
    ),
}

KEYS_AND_ROTATIONS = ("key_masters", "key_versions", "key_rotations")
READS: dict[str, tuple[str, ...]] = {
    "key_audit_unsealed_v01": ("key_audit_logs",),
    "rotations_due_v01": (*KEYS_AND_ROTATIONS, "key_audit_unsealed", "key_rotation_causes", "rotation_policies"),
    "key_wrapping_dependents_v01": ("hsm_configurations", "key_masters", "key_versions"),
    "key_management_dashboard_v01": (*KEYS_AND_ROTATIONS, "key_audit_daily_totals", "key_audit_unsealed"),
    "key_health_monitor_v01": (*KEYS_AND_ROTATIONS, "key_audit_logs", "rotations_due"),
}
FIRST_REFRESHES: dict[str, tuple[str, ...]] = {"postgresql": ("first_view_refreshes_v01",), "sqlite": ()}

TABLES = ("key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations")
OWN_TABLES = ("key_view_refreshes", "key_audit_daily_totals", "key_rotation_causes")
VIEWS = (
    "key_management_dashboard",
    "key_health_monitor",
    "rotations_due",
    "key_wrapping_dependents",
    "key_audit_unsealed",
)

# A query for each rule of the triggers that applies to a stored row and is no constraint of 004. The other triggers
# check how a row changes. On SQLite foreign keys may have been off, and its triggers check them too.
KEYS = (
    "fk_key_masters_parent_key_id_key_masters_violations_v01",
    "fk_key_versions_key_id_key_masters_violations_v01",
    "fk_key_versions_wrapped_by_version_id_key_versions_violations_v01",
)
RULES = (
    "validate_key_master_parent_violations_v01",
    "validate_key_version_chronology_violations_v01",
    "validate_key_version_activation_violations_v01",
    "validate_key_version_material_violations_v01",
    "validate_key_version_wrapper_violations_v01",
    "validate_rotation_policy_triggers_violations_v01",
)
VIOLATIONS: dict[str, tuple[str, ...]] = {
    "postgresql": (*KEYS, *RULES, "validate_rotation_policy_timezone_violations_v01"),
    "sqlite": (
        *KEYS,
        "fk_key_rotations_key_id_key_masters_violations_v01",
        "fk_key_rotations_policy_id_rotation_policies_violations_v01",
        "fk_key_rotations_key_id_old_version_key_versions_violations_v01",
        "fk_key_rotations_key_id_new_version_key_versions_violations_v01",
        "fk_key_audit_logs_key_id_key_masters_violations_v01",
        "ck_key_masters_active_has_activated_at_violations_v01",
        "ck_key_masters_rotated_has_rotated_at_violations_v01",
        "ck_key_masters_expired_has_expired_at_violations_v01",
        "ck_key_masters_revoked_has_revoked_at_violations_v01",
        "ck_key_masters_archived_has_archived_at_violations_v01",
        *RULES,
        "draw_key_version_ciphertext_tag_violations_v01",
        "ck_key_rotations_times_agree_with_status_violations_v01",
    ),
}


CHECKED = CheckedTriggers(
    revision=revision,
    down_revision=down_revision,
    violations=VIOLATIONS,
    last_trigger="enforce_key_rotation_lifecycle",
    table="key_rotations",
    later="key_audit_seals",
)


def before_upgrade() -> None:
    """Refuse rows that violate a rule, before any revision of the upgrade has changed anything."""
    CHECKED.check_first()


def upgrade() -> None:
    CHECKED.upgrade(create, drop)


def create() -> None:
    create_indexes(INDEXES)
    # The time to fill the views depends on the size of the tables, and writers do not wait for it.
    create_all_but_triggers(FILES, reads=READS)
    create_indexes_of_new(SCORES[engine_name()])
    write_rows(FIRST_REFRESHES, into="key_view_refreshes")
    lock(TABLES, "SHARE ROW EXCLUSIVE")  # granted when all transactions that have written are over
    create_triggers(FILES)


def drop(*more_tables: str) -> None:
    # Tables that are dropped are locked as well: otherwise DROP would wait for it while clients wait for the tables.
    lock((*OWN_TABLES, *TABLES, *more_tables), "ACCESS EXCLUSIVE", views=VIEWS)
    drop_objects(FILES)


def downgrade() -> None:
    """Drop everything in one transaction: no database without its triggers has the revision status 005.

    Dropping a trigger locks its table against readers, so the indexes may be dropped in the same transaction.
    """
    drop("key_audit_logs")
    drop_indexes(INDEXES)
