"""Create the six tables, and the guards that make the audit trail write-once.

Downgrading removes the audit trail, so it refuses while there is more in it than the entry that this revision
wrote, unless it is told `-x allow-audit-loss=yes`.
"""

import sqlalchemy as sa
from alembic import op

from kms_schema.sql import create_statements, drop_statements, verbatim
from kms_schema.sql.data_loss import Loss
from kms_schema.sql.operations import lock, qualified, schema

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
        *TABLES,
        "key_audit_logs_sequence_seq_v01",
        "guard_key_audit_log_insert_v01",
        "guard_key_audit_log_insert_event_v01",
        "guard_key_audit_log_insert_trigger_v01",
        "guard_key_audit_log_insert_event_trigger_v01",
        "prevent_key_audit_log_change_v01",
        "prevent_key_audit_log_update_trigger_v01",
        "prevent_key_audit_log_delete_trigger_v01",
        "prevent_key_audit_log_delete_truncate_trigger_v01",
    ),
    "sqlite": (
        *TABLES,
        "guard_key_audit_log_insert_trigger_v01",
        "guard_key_audit_log_insert_values_trigger_v01",
        "guard_key_audit_log_insert_sequence_trigger_v01",
        "prevent_key_audit_log_update_trigger_v01",
        "prevent_key_audit_log_delete_trigger_v01",
    ),
}

# Name, table, columns, unique, predicate: what foreign keys and uniqueness need.
INDEXES: tuple[tuple[str, str, tuple[str, ...], bool, str | None], ...] = (
    ("idx_key_masters_parent_key_id", "key_masters", ("parent_key_id",), False, None),
    (
        "uq_key_versions_live",
        "key_versions",
        ("key_id",),
        True,
        "activated_at IS NOT NULL AND deactivated_at IS NULL",
    ),
    ("idx_key_versions_wrapped_by_version_id", "key_versions", ("wrapped_by_version_id",), False, None),
    ("uq_key_rotations_open", "key_rotations", ("key_id",), True, "status IN ('SCHEDULED', 'RUNNING')"),
    ("idx_key_rotations_key_id_old_version", "key_rotations", ("key_id", "old_version"), False, None),
    ("idx_key_rotations_key_id_new_version", "key_rotations", ("key_id", "new_version"), False, None),
    ("idx_key_rotations_policy_id", "key_rotations", ("policy_id",), False, None),
    ("idx_key_audit_logs_history", "key_audit_logs", ("key_id", "timestamp"), False, None),
)

# Few keys have most entries, and whoever asks for a page of a key asks for one of these. What is prepared is planned
# for a key as it is on average, which among many keys is one with so few entries that sorting them all would do.
KEYS_WITH_ENTRIES = 100

FIRST_ENTRY = """INSERT INTO {table}
    (event_type, event_category, event_description, security_level, additional_metadata)
VALUES ('system_init', 'LIFECYCLE', 'The key-management schema was created', 'LOW', '{{"revision": "{revision}"}}')"""

LOSS = Loss(
    revision="004",
    what="the audit trail",
    unit="entries",
    rows="FROM {table} WHERE NOT (sequence = 1 AND event_type = 'system_init')",
    advice="export it first",
)


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    for statement in create_statements(dialect, FILES[dialect], schema()):
        op.execute(statement)
    for name, table, columns, unique, predicate in INDEXES:
        where = sa.text(predicate) if predicate else None
        op.create_index(
            name,
            table,
            [*columns],
            schema=schema() if dialect == "postgresql" else None,
            unique=unique,
            postgresql_where=where,
            sqlite_where=where,
        )
    if dialect == "postgresql":
        setting = f"SET (n_distinct = {KEYS_WITH_ENTRIES})"
        op.execute(f"ALTER TABLE {qualified('key_audit_logs')} ALTER COLUMN key_id {setting}")
    op.execute(verbatim(FIRST_ENTRY.format(table=qualified("key_audit_logs"), revision=revision)))


def before_downgrade() -> None:
    """Object before any revision of the downgrade has changed anything; see `migrations/env.py`."""
    LOSS.refuse(qualified("key_audit_logs"))


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    if not op.get_context().as_sql:
        before_downgrade()  # an environment of the host's may not have asked, and nobody waits for this count
    # Counted once more when nobody can add to it: there is no more than what came since.
    lock([name.removesuffix("_v01") for name in TABLES], "ACCESS EXCLUSIVE")
    before_downgrade()
    if dialect == "sqlite":
        # There DROP TABLE deletes the rows first, which those that refer to a row of the same table RESTRICT.
        material = ("encrypted_key_data", "wrapped_by_version_id", "wrapping_key_ref")
        op.execute(f"UPDATE key_versions SET {', '.join(f'{column} = NULL' for column in material)}")
        op.execute("UPDATE key_masters SET parent_key_id = NULL")
    for statement in drop_statements(dialect, dropped(FILES[dialect]), schema()):
        op.execute(statement)


def dropped(filenames: tuple[str, ...]) -> list[str]:
    """Return what to drop by itself: triggers and the sequence go with their table, functions after it."""
    functions = [name for name in filenames if name not in TABLES and "_trigger_" not in name and "_seq_" not in name]
    return [*functions, *TABLES] if functions else [*TABLES]
