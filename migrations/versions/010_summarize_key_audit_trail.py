"""Add the audit trail up while it is sealed, and let the dashboard read the sums instead of the trail.

What is sealed already is counted here. On PostgreSQL only sealing waits for that; writers of the trail wait for a
moment, when a trigger is put on it, and readers of the dashboard, when the new one takes the place of the old one.
"""

from alembic import op

from kms_schema.sql import create_statements, drop_statements, replace_statements, verbatim
from kms_schema.sql.exchanging import exchange_statements, prepare_statements
from kms_schema.sql.steps import lock, schema

revision = "010_summarize_key_audit_trail"
down_revision = "009_retain_key_audit_trail"
branch_labels = None
depends_on = None

TABLES = ("key_audit_daily_totals", "key_rotation_causes")
FILES: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "key_audit_daily_totals_v01",
        "key_rotation_causes_v01",
        "key_audit_unsealed_v01",
        "summarize_sealed_key_audit_logs_v01",
        "summarize_removed_key_audit_logs_v01",
    ),
    "sqlite": ("key_audit_daily_totals_v01", "key_rotation_causes_v01", "key_audit_unsealed_v01"),
}
TRIGGERS = ("summarize_sealed_key_audit_logs_trigger_v01", "summarize_removed_key_audit_logs_trigger_v01")
BEFORE = ("key_management_dashboard_v01", "refresh_key_views_v01")
AFTER = ("key_management_dashboard_v02", "refresh_key_views_v02")
"""What is exchanged; SQLite has nothing to refresh."""
INDEX = "uq_key_management_dashboard_v01"

# Which entries are sealed; the rest is in key_audit_unsealed.
SEALED = {
    "postgresql": """{insert}
FROM ONLY {schema}.key_audit_logs AS entry
WHERE
    entry.sequence <= (SELECT last_sequence FROM {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1)
    AND NOT EXISTS (
        SELECT 1
        FROM (SELECT open_gaps FROM {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1) AS newest
        CROSS JOIN LATERAL jsonb_array_elements(newest.open_gaps) AS gap (span)
        WHERE entry.sequence BETWEEN (gap.span ->> 0)::bigint AND (gap.span ->> 1)::bigint
    )
    AND {condition}""",
    "sqlite": """{insert}
FROM key_audit_logs AS entry
WHERE
    entry.sequence <= (SELECT last_sequence FROM key_audit_seals ORDER BY seal_number DESC LIMIT 1)
    AND {condition}""",
}
TOTALS = """INSERT INTO {table} (day, event_category, security_level, risk_score, event_count)
SELECT {day}, entry.event_category, entry.security_level, coalesce(entry.risk_score, -1), count(*)"""
DAY = {
    "postgresql": "(entry.timestamp AT TIME ZONE 'UTC')::date",
    "sqlite": "substr(entry.timestamp, 1, 10)",
}
CAUSES = """INSERT INTO {table} (key_id, sequence, reason, occurred_at)
SELECT
    entry.key_id, entry.sequence,
    CASE entry.event_category WHEN 'SECURITY' THEN 'incident' ELSE 'compliance' END,
    entry.timestamp"""
IS_CAUSE = """entry.key_id IS NOT NULL AND (
        (entry.event_category = 'SECURITY' AND entry.security_level = 'CRITICAL')
        OR (entry.event_category = 'COMPLIANCE' AND entry.event_type = 'ROTATION_REQUIRED')
    )"""

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
    if op.get_context().dialect.name == "sqlite":
        _upgrade_sqlite()
    else:
        _upgrade_postgresql()


def _upgrade_sqlite() -> None:
    for statement in (
        *create_statements("sqlite", FILES["sqlite"]),
        *map(verbatim, count_sealed("sqlite", "")),
        *create_statements("sqlite", TRIGGERS),
        *replace_statements("sqlite", AFTER[:1]),
    ):
        op.execute(statement)


def _upgrade_postgresql() -> None:
    for statement in create_statements("postgresql", FILES["postgresql"], schema()):
        op.execute(statement)
    for text in (SEALERS, COUNTED):
        op.execute(verbatim(text.format(schema=schema())))
    for text in count_sealed("postgresql", schema()):
        op.execute(verbatim(text))
    prepare(AFTER)
    lock(("key_management_dashboard", "key_audit_leaves", "key_audit_logs"), "SHARE ROW EXCLUSIVE")
    op.execute(verbatim(STILL_COUNTED.format(schema=schema())))
    for statement in create_statements("postgresql", TRIGGERS, schema()):
        op.execute(statement)
    exchange(AFTER)


def count_sealed(dialect: str, schema: str) -> list[str]:
    """Return the statements that add up what is sealed already."""
    place = f"{schema}." if schema else ""
    totals = TOTALS.format(table=f"{place}key_audit_daily_totals", day=DAY[dialect])
    causes = CAUSES.format(table=f"{place}key_rotation_causes")
    return [
        SEALED[dialect].format(schema=schema, insert=totals, condition="true\nGROUP BY 1, 2, 3, 4"),
        SEALED[dialect].format(schema=schema, insert=causes, condition=IS_CAUSE),
    ]


def prepare(filenames: tuple[str, ...]) -> None:
    """Make the dashboard and what refreshes it beside those that there are."""
    dashboard, refresh = filenames
    for statement in (
        *prepare_statements(dashboard, schema(), INDEX),
        *prepare_statements(refresh, schema()),
    ):
        op.execute(statement)


def exchange(filenames: tuple[str, ...]) -> None:
    """Put them in their places."""
    dashboard, refresh = filenames
    for statement in (
        *exchange_statements(dashboard, schema(), INDEX),
        *exchange_statements(refresh, schema()),
    ):
        op.execute(statement)


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    if dialect == "sqlite":
        for statement in replace_statements(dialect, BEFORE[:1]):
            op.execute(statement)
    else:
        prepare(BEFORE)
        lock(
            ("key_management_dashboard", "key_audit_unsealed", *TABLES, "key_audit_leaves", "key_audit_logs"),
            "ACCESS EXCLUSIVE",
        )
        exchange(BEFORE)
    for statement in drop_statements(dialect, (*FILES[dialect], *TRIGGERS), schema()):
        op.execute(statement)
