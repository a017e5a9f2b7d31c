"""Exchange what 901 made, under those who use it, and count what is sealed already while others go on.

Only tests have this revision. A view, functions, a materialized view, an index and a table of SQLite's take the place
of others; on PostgreSQL only sealing waits for the count, and writers of the trail for a moment.
"""

from alembic import op

from kms_schema.sql import create_statements, drop_statements, replace_statements, verbatim
from kms_schema.sql.operations import create_index, exchange_index, lock, qualified, schema
from kms_schema.sql.replacement import exchange_statements, prepare_statements

revision = "902_exchange_labels"
down_revision = "901_label_versions"
branch_labels = None
depends_on = None

INDEX = "idx_key_audit_logs_user_id"
SUMS = "key_audit_category_totals_v01"
COUNTS: dict[str, tuple[str, ...]] = {
    "postgresql": (SUMS, "count_sealed_key_audit_logs_v01", "count_removed_key_audit_logs_v01"),
    "sqlite": (SUMS,),
}
TRIGGERS = ("count_sealed_key_audit_logs_trigger_v01", "count_removed_key_audit_logs_trigger_v01")
BEFORE: dict[str, tuple[str, ...]] = {
    "postgresql": ("labelled_key_versions_v01", "guard_key_version_label_v01"),
    "sqlite": ("labelled_key_versions_v01", "guard_key_version_label_trigger_v01"),
}
AFTER: dict[str, tuple[str, ...]] = {
    "postgresql": ("labelled_key_versions_v02", "guard_key_version_label_v02"),
    "sqlite": ("labelled_key_versions_v02", "guard_key_version_label_trigger_v02"),
}
COUNTED_BEFORE = ("key_label_counts_v01", "count_key_labels_v01")
COUNTED_AFTER = ("key_label_counts_v02", "count_key_labels_v02")
"""A materialized view, and a function that returns something else than before."""
VIEWS = ("key_label_counts", "labelled_key_versions")
COLOUR = "COLUMN colour VARCHAR(30)"
NOT_BLANK = r"CONSTRAINT ck_key_labels_colour_not_blank CHECK (btrim(colour, E' \t\n\r') <> '')"

COUNT = """INSERT INTO {table} (event_category, event_count)
SELECT entry.event_category, count(*)
FROM {entries} AS entry
WHERE {sealed}
GROUP BY entry.event_category"""
SEALED = {
    "postgresql": """entry.sequence <= (
        SELECT last_sequence FROM {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1
    )
    AND NOT EXISTS (
        SELECT 1
        FROM (SELECT open_gaps FROM {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1) AS newest
        CROSS JOIN LATERAL jsonb_array_elements(newest.open_gaps) AS gap (span)
        WHERE entry.sequence BETWEEN (gap.span ->> 0)::bigint AND (gap.span ->> 1)::bigint
    )""",
    "sqlite": "entry.sequence <= (SELECT last_sequence FROM key_audit_seals ORDER BY seal_number DESC LIMIT 1)",
}
# Sealers take this lock, so none adds to what is being counted, and no writer of the trail waits for the count.
SEALERS = """DO $$
BEGIN
    PERFORM pg_advisory_xact_lock(
        1802335059, '{schema}.key_audit_seals'::regclass::oid::bigint::bit(32)::integer
    );
END
$$"""
# What is sealed without that lock, or removed, between the count and the triggers would be missing in the sums or stay
# in them. Entries are removed from the front of the trail.
COUNTED = """DO $$
BEGIN
    PERFORM
        set_config('kms.first_counted', coalesce(min(sequence), 0)::text, true),
        set_config(
            'kms.last_sealed', coalesce((SELECT max(seal_number) FROM {schema}.key_audit_seals), 0)::text, true
        )
    FROM ONLY {schema}.key_audit_logs;
END
$$"""
STILL_COUNTED = """DO $$
BEGIN
    IF (SELECT coalesce(min(sequence), 0) FROM ONLY {schema}.key_audit_logs)
        <> current_setting('kms.first_counted')::bigint
        OR (SELECT coalesce(max(seal_number), 0) FROM {schema}.key_audit_seals)
        <> current_setting('kms.last_sealed')::bigint
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'entries of the audit trail were sealed or removed while they were counted; nothing was changed',
            HINT = 'Let kms-schema audit retain end, and upgrade again.';
    END IF;
END
$$"""


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        create_index(f"{INDEX}_next", "key_audit_logs", ("user_id",), where="user_id IS NOT NULL")
    for statement in create_statements(dialect, COUNTS[dialect], schema()):
        op.execute(statement)
    if dialect == "postgresql":
        op.execute(verbatim(SEALERS.format(schema=schema())))
        op.execute(verbatim(COUNTED.format(schema=schema())))
    count = COUNT.format(
        table=qualified("key_audit_category_totals"),
        entries=("ONLY " if dialect == "postgresql" else "") + qualified("key_audit_logs"),
        sealed=SEALED[dialect].format(schema=schema()),
    )
    op.execute(verbatim(count))
    if dialect == "postgresql":
        prepare(COUNTED_AFTER)
        lock((*VIEWS, "key_labels", "key_audit_leaves", "key_audit_logs"), "ACCESS EXCLUSIVE")
        op.execute(verbatim(STILL_COUNTED.format(schema=schema())))
        op.execute(verbatim(f"ALTER TABLE {qualified('key_labels')} ADD {COLOUR}, ADD {NOT_BLANK}"))
        exchange(COUNTED_AFTER)
    else:
        rebuild_table("key_labels_v02")
        op.execute(f"DROP INDEX {INDEX}")
        create_index(INDEX, "key_audit_logs", ("user_id",), where="user_id IS NOT NULL")
    for statement in (
        *replace_statements(dialect, AFTER[dialect], schema()),
        *create_statements(dialect, TRIGGERS, schema()),
    ):
        op.execute(statement)


def prepare(filenames: tuple[str, ...]) -> None:
    """Make the materialized view and its function beside those that there are."""
    view, function = filenames
    for statement in (
        *prepare_statements(view, schema(), "uq_key_label_counts_v01"),
        *prepare_statements(function, schema()),
    ):
        op.execute(statement)


def exchange(filenames: tuple[str, ...]) -> None:
    """Put them, and the index of users, in their places."""
    view, function = filenames
    for statement in (
        *exchange_statements(view, schema(), "uq_key_label_counts_v01"),
        *exchange_statements(function, schema()),
    ):
        op.execute(statement)
    exchange_index(INDEX)


def rebuild_table(table: str) -> None:
    """Rebuild SQLite's table with its trigger. Nothing refers to it, and dropping it fires none.

    DROP COLUMN before 3.35.5 could damage the file (https://www.sqlite.org/releaselog/3_35_5.html), and ADD COLUMN
    would leave a table that is not what its file says.
    """
    for statement in drop_statements("sqlite", ("guard_key_label_trigger_v01",)):
        op.execute(statement)
    op.execute("CREATE TABLE key_labels_kept AS SELECT label, meaning FROM key_labels")
    op.execute("DROP TABLE key_labels")
    for statement in create_statements("sqlite", (table,)):
        op.execute(statement)
    op.execute("INSERT INTO key_labels (label, meaning) SELECT label, meaning FROM key_labels_kept")
    op.execute("DROP TABLE key_labels_kept")
    for statement in create_statements("sqlite", ("guard_key_label_trigger_v01",)):
        op.execute(statement)


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        create_index(f"{INDEX}_next", "key_audit_logs", ("user_id",))
        prepare(COUNTED_BEFORE)
    lock((*VIEWS, "key_audit_category_totals", "key_labels", "key_audit_leaves", "key_audit_logs"), "ACCESS EXCLUSIVE")
    if dialect == "postgresql":
        exchange(COUNTED_BEFORE)
        op.execute(f"ALTER TABLE {qualified('key_labels')} DROP COLUMN colour")
    else:
        rebuild_table("key_labels_v01")
        op.execute(f"DROP INDEX {INDEX}")
        create_index(INDEX, "key_audit_logs", ("user_id",))
    for statement in (
        *replace_statements(dialect, BEFORE[dialect], schema()),
        *drop_statements(dialect, (*COUNTS[dialect], *TRIGGERS), schema()),
    ):
        op.execute(statement)
