"""Create the triggers that write an audit entry for every change of state, in the transaction of the change.

An application cannot forget an entry; changes before this revision have none. Counting use writes no entry. A downgrade
drops the triggers and keeps the entries. The audit log itself is not locked: a guard trigger of 004 refuses entries of
these types that do not come with a change.
"""

from kms_schema.sql.objects import create_objects, create_triggers, drop_objects
from kms_schema.sql.operations import engine_name, lock

revision = "007_record_key_changes"
down_revision = "006_prove_audit_trail"
branch_labels = None
depends_on = None

TABLES = ("key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations")
BEFORE: dict[str, tuple[str, ...]] = {
    "postgresql": ("audit_key_change_v01", "audit_key_insert_v01"),
    "sqlite": (),
}
"""Objects that the triggers need, and that take no lock."""
TRUNCATES: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "prevent_key_master_truncate_trigger_v01",
        "prevent_rotation_policy_truncate_trigger_v01",
        "prevent_hsm_configuration_truncate_trigger_v01",
    ),
    "sqlite": (),
}
"""TRUNCATE fires no row trigger; on versions and rotations 005 refuses it."""
TRIGGERS = (
    "audit_key_master_insert_trigger_v01",
    "audit_key_master_update_trigger_v01",
    "audit_key_master_delete_trigger_v01",
    "audit_key_version_insert_trigger_v01",
    "audit_key_version_update_trigger_v01",
    "audit_key_version_delete_trigger_v01",
    "audit_key_version_count_update_trigger_v01",
    "audit_rotation_policy_insert_trigger_v01",
    "audit_rotation_policy_update_trigger_v01",
    "audit_rotation_policy_delete_trigger_v01",
    "audit_key_rotation_insert_trigger_v01",
    "audit_key_rotation_update_trigger_v01",
    "audit_key_rotation_delete_trigger_v01",
    "audit_hsm_configuration_insert_trigger_v01",
    "audit_hsm_configuration_update_trigger_v01",
    "audit_hsm_configuration_delete_trigger_v01",
    "audit_hsm_health_update_trigger_v01",
)


def upgrade() -> None:
    create_objects(BEFORE)
    lock(TABLES, "SHARE ROW EXCLUSIVE")
    create_triggers(TRUNCATES)
    create_triggers(TRIGGERS)


def downgrade() -> None:
    lock(TABLES, "ACCESS EXCLUSIVE")
    engine = engine_name()
    drop_objects((*BEFORE[engine], *TRUNCATES[engine], *TRIGGERS))
