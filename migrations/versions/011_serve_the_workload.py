"""Serve the workload: what is due for rotation is found by what is due, and the trail has no index too many.

On PostgreSQL indexes are built CONCURRENTLY, before anything else; the rest takes a moment, and the locks of the tables
whose triggers and indexes are exchanged.
"""

from alembic import op

from kms_schema.sql import create_statements, drop_statements, replace_statements
from kms_schema.sql.steps import create_index, exchange_index, lock, qualified, schema

revision = "011_serve_the_workload"
down_revision = "010_summarize_key_audit_trail"
branch_labels = None
depends_on = None

# Name, table, columns or expressions, predicate.
INDEXES: tuple[tuple[str, str, tuple[str, ...], str | None], ...] = (
    ("idx_key_masters_newest", "key_masters", ("status", "key_type", "created_at", "key_id"), None),
)
FILES: dict[str, tuple[str, ...]] = {
    "postgresql": ("audit_key_insert_v01", "record_key_version_insert_v01"),
    "sqlite": (),
}
BEFORE: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "validate_key_version_wrapper_v01",
        "prevent_key_version_destruction_v01",
        "guard_key_audit_log_insert_event_v01",
    ),
    "sqlite": ("prevent_key_version_delete_trigger_v01", "prevent_key_version_destruction_trigger_v01"),
}
AFTER: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "validate_key_version_wrapper_v02",
        "prevent_key_version_destruction_v02",
        "guard_key_audit_log_insert_event_v02",
    ),
    "sqlite": ("prevent_key_version_delete_trigger_v02", "prevent_key_version_destruction_trigger_v02"),
}
"""What of earlier revisions is exchanged."""

# Only on PostgreSQL, with the tables locked.
LOCKED = ("key_masters", "key_versions", "key_audit_logs")
TRIGGERS_BEFORE = (
    "guard_key_audit_log_insert_event_trigger_v01",
    "audit_key_master_insert_trigger_v01",
    "audit_key_version_insert_trigger_v01",
    "record_key_version_insert_trigger_v01",
)
TRIGGERS_AFTER = (
    "guard_key_audit_log_insert_event_trigger_v02",
    "audit_key_master_insert_trigger_v02",
    "audit_key_version_insert_trigger_v02",
    "record_key_version_insert_trigger_v02",
)
# Entries come in the order of their times: the first and last time of every 32 pages find those of a week as fast, and
# take a thousandth of the room. SQLite has nothing like that.
TIMES = "idx_key_audit_logs_timestamp"
STORAGE: dict[str, str | int] = {"autosummarize": "on", "pages_per_range": 32}


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    for name, table, columns, predicate in INDEXES:
        create_index(name, table, columns, where=predicate)
    if dialect == "postgresql":
        create_index(f"{TIMES}_next", "key_audit_logs", ("timestamp",), using="brin", storage=STORAGE)
    for statement in (
        *create_statements(dialect, FILES[dialect], schema()),
        *replace_statements(dialect, AFTER[dialect], schema()),
    ):
        op.execute(statement)
    if dialect == "postgresql":
        lock(LOCKED, "ACCESS EXCLUSIVE")
        exchange(TRIGGERS_AFTER)


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        create_index(f"{TIMES}_next", "key_audit_logs", ("timestamp",))
        lock(LOCKED, "ACCESS EXCLUSIVE")
        exchange(TRIGGERS_BEFORE)
    for statement in (
        *replace_statements(dialect, BEFORE[dialect], schema()),
        *drop_statements(dialect, FILES[dialect], schema()),
    ):
        op.execute(statement)
    for name, *_ in INDEXES:
        op.execute(f"DROP INDEX {qualified(name)}")


def exchange(triggers: tuple[str, ...]) -> None:
    """Put triggers, and the index of times that was built for it, in the place of those that there are."""
    for statement in replace_statements("postgresql", triggers, schema()):
        op.execute(statement)
    exchange_index(TIMES)
