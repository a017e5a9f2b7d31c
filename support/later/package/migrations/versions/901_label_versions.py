"""Label versions: a column of a loaded table, an index on it, and what reads it.

Only tests have this revision, and 902: they do what revisions after 1.0 will, to databases in use.
"""

from kms_schema.sql.columns import add_columns, drop_columns
from kms_schema.sql.indexes import Index, create_indexes, drop_indexes
from kms_schema.sql.objects import create_objects, create_triggers, drop_objects
from kms_schema.sql.operations import engine_name, lock

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
READS = {
    "labelled_key_versions_v01": ("key_versions",),
    "key_label_counts_v01": ("key_versions",),
}
INDEXES = (
    Index("idx_key_versions_label_partial", "key_versions", ("label",), where="label IS NOT NULL"),
    Index("idx_key_audit_logs_user_id", "key_audit_logs", ("user_id",)),
)


def upgrade() -> None:
    lock(("key_versions",), "ACCESS EXCLUSIVE")
    add_columns("key_versions", COLUMNS)
    create_indexes(INDEXES)
    create_objects(FILES, reads=READS)
    lock(("key_versions",), "SHARE ROW EXCLUSIVE")
    create_triggers(TRIGGERS)


def downgrade() -> None:
    lock(("key_labels", "key_versions", "key_audit_logs"), "ACCESS EXCLUSIVE", views=VIEWS)
    drop_objects((*FILES[engine_name()], *TRIGGERS))
    drop_indexes(INDEXES)
    drop_columns("key_versions", COLUMNS, aside="guard_key_audit_actor_insert_trigger_v01")
