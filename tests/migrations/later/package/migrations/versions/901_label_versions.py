"""Label versions: a column of a loaded table, an index on it, and what reads it.

Only tests have this revision, and 902: they do what revisions after 1.0 will, to databases in use.
"""

from alembic import op

from kms_schema.sql import create_statements, drop_statements
from kms_schema.sql.columns import add_columns, drop_columns
from kms_schema.sql.operations import create_index, lock, qualified, schema

revision = "901_label_versions"
down_revision = "007_record_key_changes"
branch_labels = None
depends_on = None

COLUMNS = {
    "postgresql": ("label VARCHAR(30)",),
    "sqlite": (
        "label VARCHAR(30) CONSTRAINT ck_key_versions_label_type CHECK (label IS NULL OR"
        " (typeof(label) = 'text' AND instr(label, char(0)) = 0 AND length(label) <= 30))",
    ),
}
FILES: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "key_labels_v01",
        "labelled_key_versions_v01",
        "key_label_counts_v01",
        "uq_key_label_counts_v01",
        "count_key_labels_v01",
        "guard_key_version_label_v01",
    ),
    "sqlite": ("key_labels_v01", "guard_key_label_trigger_v01", "labelled_key_versions_v01"),
}
TRIGGERS = ("guard_key_version_label_trigger_v01",)
VIEWS = ("key_label_counts", "labelled_key_versions")


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    lock(("key_versions",), "ACCESS EXCLUSIVE")
    add_columns("key_versions", COLUMNS[dialect])
    create_index("idx_key_versions_label_partial", "key_versions", ("label",), where="label IS NOT NULL")
    create_index("idx_key_audit_logs_user_id", "key_audit_logs", ("user_id",))
    for statement in create_statements(dialect, FILES[dialect], schema()):
        op.execute(statement)
    lock(("key_versions",), "SHARE ROW EXCLUSIVE")
    for statement in create_statements(dialect, TRIGGERS, schema()):
        op.execute(statement)


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    lock((*VIEWS, "key_labels", "key_versions", "key_audit_logs"), "ACCESS EXCLUSIVE")
    for statement in drop_statements(dialect, (*FILES[dialect], *TRIGGERS), schema()):
        op.execute(statement)
    for index in ("idx_key_versions_label_partial", "idx_key_audit_logs_user_id"):
        op.execute(f"DROP INDEX {qualified(index)}")
    drop_columns("key_versions", COLUMNS[dialect], aside="guard_key_audit_actor_insert_trigger_v01")
