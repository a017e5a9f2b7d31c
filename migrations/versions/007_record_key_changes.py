"""Let the database write the audit entries of every change of state itself, in the transaction that makes the change.

What an application forgets to log is logged; what was changed before this revision has no entry of it. Counting use
writes nothing. Downgrading stops the writing, and leaves what has been written. The trail itself is not locked: that
entries of these types come with the change is the guard's that 004 makes.
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
    "sqlite": ("key_audit_actor_v01", "guard_key_audit_actor_insert_trigger_v01"),
}
"""What the triggers need, and nobody has to wait for."""
TRUNCATES: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "prevent_key_master_truncate_trigger_v01",
        "prevent_rotation_policy_truncate_trigger_v01",
        "prevent_hsm_configuration_truncate_trigger_v01",
    ),
    "sqlite": (),
}
"""TRUNCATE fires no trigger for a row; on versions and rotations 005 refuses it."""
TRIGGERS = (
    "audit_key_master_insert_trigger_v01",
    "audit_key_master_update_trigger_v01",
    "audit_key_master_delete_trigger_v01",
    "audit_key_version_insert_trigger_v01",
    "audit_key_version_update_trigger_v01",
    "audit_key_version_delete_trigger_v01",
    "audit_rotation_policy_insert_trigger_v01",
    "audit_rotation_policy_update_trigger_v01",
    "audit_rotation_policy_delete_trigger_v01",
    "audit_key_rotation_insert_trigger_v01",
    "audit_key_rotation_update_trigger_v01",
    "audit_key_rotation_delete_trigger_v01",
    "audit_hsm_configuration_insert_trigger_v01",
    "audit_hsm_configuration_update_trigger_v01",
    "audit_hsm_configuration_delete_trigger_v01",
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
