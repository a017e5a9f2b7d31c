"""Serve the workload: what is due for rotation is found by what is due, and the trail has no index too many.

On PostgreSQL the new columns of the versions come first, then indexes are built CONCURRENTLY; an interrupted run leaves
nothing to undo, and the rest takes a moment, with the locks of the tables whose triggers are exchanged. The columns
stay empty: no version is rewritten, and what they would say of it is worked out when it is counted, rotated or looked
at (`kms-schema rotations catch-up`).
"""

from alembic import op

from kms_schema.sql import create_statements, drop_statements, replace_statements, verbatim
from kms_schema.sql.steps import create_index, exchange_index, lock, qualified, schema

revision = "011_serve_the_workload"
down_revision = "010_summarize_key_audit_trail"
branch_labels = None
depends_on = None

COLUMNS = {
    "postgresql": (
        "key_type VARCHAR(30)",
        "usage_ceiling BIGINT",
        "volume_ceiling BIGINT",
    ),
    "sqlite": (
        "key_type VARCHAR(30) CONSTRAINT ck_key_versions_key_type_type CHECK (key_type IS NULL OR"
        " (typeof(key_type) = 'text' AND instr(key_type, char(0)) = 0 AND length(key_type) <= 30))",
        "usage_ceiling BIGINT CONSTRAINT ck_key_versions_usage_ceiling_type CHECK"
        " (usage_ceiling IS NULL OR (typeof(usage_ceiling) = 'integer'))",
        "volume_ceiling BIGINT CONSTRAINT ck_key_versions_volume_ceiling_type CHECK"
        " (volume_ceiling IS NULL OR (typeof(volume_ceiling) = 'integer'))",
    ),
}
"""Of `key_versions`."""
FILLFACTOR = 90
"""Of `key_versions`: a version whose counter passed a ceiling moves; it is counted in place where its page has room."""

LIVE = "activated_at IS NOT NULL AND deactivated_at IS NULL"
# Name, table, columns or expressions, predicate.
INDEXES: tuple[tuple[str, str, tuple[str, ...], str | None], ...] = (
    (
        "idx_key_masters_rotation_partial",
        "key_masters",
        ("key_type", "coalesce(rotated_at, activated_at)"),
        "status = 'active'",
    ),
    ("idx_key_masters_newest", "key_masters", ("status", "key_type", "created_at", "key_id"), None),
    ("idx_key_versions_age_partial", "key_versions", ("key_type", "activated_at"), LIVE),
    ("idx_key_versions_usage_partial", "key_versions", ("key_type", "usage_ceiling"), LIVE),
    ("idx_key_versions_volume_partial", "key_versions", ("key_type", "volume_ceiling"), LIVE),
    (
        "idx_key_rotations_retry_partial",
        "key_rotations",
        ("key_id", "next_retry_at"),
        "status = 'FAILED' AND next_retry_at IS NOT NULL AND retry_count < max_retries",
    ),
)
FILES: dict[str, tuple[str, ...]] = {
    "postgresql": ("record_key_version_ceilings_v01", "audit_key_insert_v01", "record_key_version_insert_v01"),
    "sqlite": (),
}
TRIGGERS = (
    "record_key_version_ceilings_insert_trigger_v01",
    "record_key_version_ceilings_trigger_v01",
    "record_key_version_ceilings_change_trigger_v01",
)
ASIDE = "guard_key_audit_actor_insert_trigger_v01"
"""It asks a PRAGMA, which DROP COLUMN refuses to read where schemas are not trusted, as in SQLite's own shell."""
AFTER_THEM = (
    "record_key_version_insert_trigger_v01",
    "record_key_version_activation_trigger_v01",
    "audit_key_version_insert_trigger_v01",
    "audit_key_version_update_trigger_v01",
    "audit_key_version_delete_trigger_v01",
)
"""On SQLite triggers are asked in the order in which they were made, so what came after those is made anew as well."""
BEFORE: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "rotations_due_v01",
        "validate_key_version_wrapper_v01",
        "prevent_key_version_destruction_v01",
        "guard_key_audit_log_insert_event_v01",
    ),
    "sqlite": (
        "rotations_due_v01",
        "key_management_dashboard_v02",
        "key_health_monitor_v01",
        "prevent_key_version_destruction_trigger_v01",
        "prevent_key_version_delete_trigger_v01",
        *AFTER_THEM,
    ),
}
AFTER: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "rotations_due_v02",
        "validate_key_version_wrapper_v02",
        "prevent_key_version_destruction_v02",
        "guard_key_audit_log_insert_event_v02",
    ),
    "sqlite": (
        "rotations_due_v02",
        "key_management_dashboard_v03",
        "key_health_monitor_v02",
        "prevent_key_version_destruction_trigger_v02",
        "prevent_key_version_delete_trigger_v02",
        *AFTER_THEM,
    ),
}
"""What of earlier revisions is exchanged."""

# Only on PostgreSQL.
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
WORST = "idx_key_health_monitor_score"
"""On SQLite the scores are worked out when they are asked for, so that there is nothing to keep in order."""
# Few keys have most entries, and whoever asks for a page of a key asks for one of these. What is prepared is planned
# for a key as it is on average, which among many keys is one with so few entries that sorting them all would do.
KEYS_WITH_ENTRIES = 100
IN_USE = ("rotations_due", "key_versions", "key_masters", "key_audit_logs")


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    add_columns(dialect)
    for name, table, columns, predicate in INDEXES:
        create_index(name, table, [verbatim(each) if "(" in each else each for each in columns], where=predicate)
    if dialect == "postgresql":
        create_index(f"{TIMES}_next", "key_audit_logs", ("timestamp",), using="brin", storage=STORAGE)
        create_index(WORST, "key_health_monitor", ("health_score", "key_id"))
    for statement in create_statements(dialect, FILES[dialect], schema()):
        op.execute(statement)
    lock(IN_USE, "ACCESS EXCLUSIVE")
    for statement in (
        *replace_statements(dialect, AFTER[dialect], schema()),
        *create_statements(dialect, TRIGGERS, schema()),
    ):
        op.execute(statement)
    if dialect == "postgresql":
        exchange(TRIGGERS_AFTER)
        set_on_entries(f"SET (n_distinct = {KEYS_WITH_ENTRIES})")


def add_columns(dialect: str) -> None:
    """Add what no row has a value in, which takes a moment however many there are."""
    lock(("key_versions",), "ACCESS EXCLUSIVE")
    table = qualified("key_versions")
    if dialect == "postgresql":
        # What an interrupted run added, it has committed before the first index.
        added = ", ".join(f"ADD COLUMN IF NOT EXISTS {column}" for column in COLUMNS[dialect])
        op.execute(f"ALTER TABLE {table} {added}, SET (fillfactor = {FILLFACTOR})")
        return
    for column in COLUMNS[dialect]:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        create_index(f"{TIMES}_next", "key_audit_logs", ("timestamp",))
    lock(("key_health_monitor", *IN_USE, "key_rotations"), "ACCESS EXCLUSIVE")
    if dialect == "postgresql":
        exchange(TRIGGERS_BEFORE)
        set_on_entries("RESET (n_distinct)")
        op.execute(f"DROP INDEX {qualified(WORST)}")
    for statement in (
        *replace_statements(dialect, BEFORE[dialect], schema()),
        *drop_statements(dialect, (*FILES[dialect], *TRIGGERS), schema()),
    ):
        op.execute(statement)
    for name, *_ in INDEXES:
        op.execute(f"DROP INDEX {qualified(name)}")
    if dialect == "postgresql":
        op.execute(f"ALTER TABLE {qualified('key_versions')} RESET (fillfactor)")
    drop_columns(dialect)


def drop_columns(dialect: str) -> None:
    """Take the columns away; on SQLite, whatever triggers there are is read again, and one is not trusted to all.

    The last one first: DROP COLUMN before SQLite 3.35.5 could leave a value in the column that comes after it
    (https://www.sqlite.org/releaselog/3_35_5.html), and so none does.
    """
    aside = (ASIDE,) if dialect == "sqlite" else ()
    for statement in drop_statements(dialect, aside):
        op.execute(statement)
    for column in reversed(COLUMNS[dialect]):
        op.execute(f"ALTER TABLE {qualified('key_versions')} DROP COLUMN {column.partition(' ')[0]}")
    for statement in create_statements(dialect, aside):
        op.execute(statement)


def exchange(triggers: tuple[str, ...]) -> None:
    """Put triggers, and the index of times that was built for it, in the place of those that there are."""
    for statement in replace_statements("postgresql", triggers, schema()):
        op.execute(statement)
    exchange_index(TIMES)


def set_on_entries(setting: str) -> None:
    """Change what the planner believes of the keys of the entries, from the next ANALYZE on."""
    op.execute(f"ALTER TABLE {qualified('key_audit_logs')} ALTER COLUMN key_id {setting}")
