"""Add the indexes of the workload, the views, and the triggers that hold lifecycle, policies and chronology.

The sums that the dashboard reads stay empty until entries are sealed: before that all of them are unsealed.

On PostgreSQL the indexes come first and CONCURRENTLY, each step leaving nothing to undo: what an interrupted run
built is kept, what it left INVALID is built anew by the next one. Everything else follows in one transaction, which
locks the tables only for its last part, the triggers.

A trigger never looks at a row that is there. So rows are looked at before anything is changed, and once more when the
triggers are committed: what was written meanwhile is there by then, whatever comes later the triggers look at, and so
nobody waits for the look, however long it takes. Where it finds something, the run takes back what it has made but for
the indexes; what it has found here, since another run was interrupted before its look, it leaves alone.
"""

import logging

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

from kms_schema.sql import create_statements, drop_statements, verbatim
from kms_schema.sql.operations import commit, create_index, lock, only_planned, qualified, schema
from kms_schema.sql.violations import find_violations, offline_guards, refusal

revision = "005_optimize_key_management"
down_revision = "004_create_key_management_system"
branch_labels = None
depends_on = None

log = logging.getLogger("alembic.runtime.migration")

LIVE = "activated_at IS NOT NULL AND deactivated_at IS NULL"
# Name, table, columns or expressions, predicate.
INDEXES: tuple[tuple[str, str, tuple[str, ...], str | None], ...] = (
    (
        "idx_key_masters_dashboard_covering",
        "key_masters",
        ("status", "key_type", "created_at", "expires_at", "usage_count"),
        None,
    ),
    (
        "idx_key_masters_expiring_partial",
        "key_masters",
        ("expires_at", "key_id", "key_type"),
        "status = 'active' AND expires_at IS NOT NULL",
    ),
    (
        "idx_key_masters_hsm_partial",
        "key_masters",
        ("hsm_provider", "hsm_key_id", "status"),
        "hsm_provider IS NOT NULL",
    ),
    (
        "idx_key_versions_lifecycle",
        "key_versions",
        ("key_id", "version_number", "activated_at", "deactivated_at"),
        None,
    ),
    ("idx_key_rotations_history", "key_rotations", ("key_id", "scheduled_at"), None),
    (
        "idx_key_rotations_scheduling_covering",
        "key_rotations",
        ("status", "scheduled_at", "key_id", "trigger", "retry_count"),
        None,
    ),
    (
        "idx_key_rotations_failed_partial",
        "key_rotations",
        ("failed_at", "key_id", "substr(error_message, 1, 200)"),
        "status = 'FAILED'",
    ),
    (
        "idx_key_audit_high_risk_partial",
        "key_audit_logs",
        ("timestamp", "key_id", "event_type", "risk_score"),
        "risk_score >= 70 OR security_level IN ('HIGH', 'CRITICAL')",
    ),
    ("idx_key_versions_wrapping_key_ref", "key_versions", ("wrapping_key_ref",), "wrapping_key_ref IS NOT NULL"),
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
# Entries come in the order of their times: the first and last time of every 32 pages find those of a week as fast, and
# take a thousandth of the room. SQLite has nothing like that.
TIMES = "idx_key_audit_logs_timestamp"
STORAGE: dict[str, str | int] = {"autosummarize": "on", "pages_per_range": 32}
# On SQLite the scores are worked out when they are asked for, so that there is nothing to keep in order.
SCORES = "idx_key_health_monitor_score"

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
        "record_key_version_ceilings_v01",
        "record_key_version_ceilings_insert_trigger_v01",
        "record_key_version_ceilings_trigger_v01",
        "record_key_version_ceilings_change_trigger_v01",
        "validate_rotation_policy_triggers_v01",
        "validate_rotation_policy_triggers_trigger_v01",
        "validate_rotation_policy_timezone_v01",
        "validate_rotation_policy_timezone_trigger_v01",
        "prevent_key_rotation_truncate_v01",
        "prevent_key_rotation_truncate_trigger_v01",
        "enforce_key_rotation_lifecycle_v01",
        "enforce_key_rotation_lifecycle_trigger_v01",
        "key_audit_daily_totals_v01",
        "key_rotation_causes_v01",
        "key_audit_unsealed_v01",
        "rotations_due_v01",
        "key_wrapping_dependents_v01",
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
        "record_key_version_ceilings_insert_trigger_v01",
        "record_key_version_ceilings_trigger_v01",
        "record_key_version_ceilings_change_trigger_v01",
        "validate_rotation_policy_triggers_trigger_v01",
        "validate_rotation_policy_triggers_insert_trigger_v01",
        "release_key_rotations_trigger_v01",
        "enforce_key_rotation_lifecycle_trigger_v01",
        "enforce_key_rotation_lifecycle_insert_trigger_v01",
        "enforce_key_rotation_lifecycle_fill_trigger_v01",
        "key_audit_daily_totals_v01",
        "key_rotation_causes_v01",
        "key_audit_unsealed_v01",
        "rotations_due_v01",
        "key_wrapping_dependents_v01",
        "key_management_dashboard_v01",
        "key_health_monitor_v01",
    ),
}

FIRST_REFRESH = """INSERT INTO {schema}.key_view_refreshes (view_name)
VALUES ('key_management_dashboard'), ('key_health_monitor')"""

STAY = "Until then the triggers stay"
LAST_TRIGGER = "enforce_key_rotation_lifecycle"
# With what 006 makes it is at a later revision, whatever its stamp says.
HAS_TRIGGER = """SELECT EXISTS (
    SELECT FROM pg_catalog.pg_trigger WHERE tgname = :trigger AND tgrelid = pg_catalog.to_regclass(:table)
) AND pg_catalog.to_regclass(:later) IS NULL"""

TABLES = ("key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations")
OWN_TABLES = ("key_view_refreshes", "key_audit_daily_totals", "key_rotation_causes")
VIEWS = (
    "key_management_dashboard",
    "key_health_monitor",
    "rotations_due",
    "key_wrapping_dependents",
    "key_audit_unsealed",
)

# What the triggers demand of a stored row, and the constraints of 004 do not: a query for each rule. The other triggers
# look at how a row changes. On SQLite foreign keys may have been off, and its triggers demand what they do.
VIOLATIONS: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "fk_key_masters_parent_key_id_key_masters_violations_v01",
        "fk_key_versions_key_id_key_masters_violations_v01",
        "fk_key_versions_wrapped_by_version_id_key_versions_violations_v01",
        "validate_key_master_parent_violations_v01",
        "validate_key_version_chronology_violations_v01",
        "validate_key_version_activation_violations_v01",
        "validate_key_version_material_violations_v01",
        "validate_key_version_wrapper_violations_v01",
        "validate_rotation_policy_triggers_violations_v01",
        "validate_rotation_policy_timezone_violations_v01",
    ),
    "sqlite": (
        "fk_key_masters_parent_key_id_key_masters_violations_v01",
        "fk_key_versions_key_id_key_masters_violations_v01",
        "fk_key_versions_wrapped_by_version_id_key_versions_violations_v01",
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
        "validate_key_master_parent_violations_v01",
        "validate_key_version_chronology_violations_v01",
        "validate_key_version_activation_violations_v01",
        "validate_key_version_material_violations_v01",
        "validate_key_version_wrapper_violations_v01",
        "validate_rotation_policy_triggers_violations_v01",
        "ck_key_rotations_times_agree_with_status_violations_v01",
    ),
}


def before_upgrade() -> None:
    """Refuse, before any revision of the upgrade has changed anything, rows that break a rule of this one."""
    if op.get_context().as_sql:
        return  # upgrade() writes the guards: 004 makes the tables, so what a script does before this changes no row
    if is_made() and not only_planned():
        return  # upgrade() looks again
    broken = find_violations(op.get_bind(), VIOLATIONS[op.get_context().dialect.name], schema())
    if broken:
        raise CommandError(refusal(revision, broken))


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    made = is_made()
    if not made:
        make(dialect)
    if dialect == "postgresql" and not only_planned():
        committed = commit()
        keep_others_away()
        look_again(was_there=made, committed=committed)


def is_made() -> bool:
    """Say whether an interrupted run has made everything, and was to look again; on SQLite nothing outlives it."""
    context = op.get_context()
    if context.as_sql or context.dialect.name != "postgresql":
        return False
    values = {"trigger": LAST_TRIGGER, "table": qualified("key_rotations"), "later": qualified("key_audit_seals")}
    return bool(op.get_bind().scalar(sa.text(HAS_TRIGGER), values))


def make(dialect: str) -> None:
    if not only_planned():
        before_upgrade()  # an environment of the host's may not have asked
    elif op.get_context().as_sql:
        for statement in offline_guards(dialect, revision, VIOLATIONS[dialect], schema()):
            op.execute(statement)
    for name, table, columns, predicate in INDEXES:
        create_index(name, table, [sa.text(each) if "(" in each else each for each in columns], where=predicate)
    if dialect == "postgresql":
        create_index(TIMES, "key_audit_logs", ("timestamp",), using="brin", storage=STORAGE)
    else:
        create_index(TIMES, "key_audit_logs", ("timestamp",))
    # The views take as long as the tables are large, and nothing that writers wait for; the triggers take no time.
    objects = [name for name in FILES[dialect] if "_trigger_" not in name]
    triggers = [name for name in FILES[dialect] if "_trigger_" in name]
    for statement in create_statements(dialect, objects, schema()):
        op.execute(statement)
    if dialect == "postgresql":
        op.create_index(SCORES, "key_health_monitor", ["health_score", "key_id"], schema=schema())
        op.execute(verbatim(FIRST_REFRESH.format(schema=schema())))
    lock(TABLES, "SHARE ROW EXCLUSIVE")  # had when all who have written are done
    for statement in create_statements(dialect, triggers, schema()):
        op.execute(statement)


def keep_others_away() -> None:
    """Hold the stamp until the end: an upgrade without this package's lock could be at the same, and take it back."""
    context = op.get_context()
    stamp = sa.table(context.version_table, sa.column("version_num"), schema=context.version_table_schema)
    held = sa.select(stamp.c.version_num).where(stamp.c.version_num == down_revision).with_for_update()
    if op.get_bind().execute(held).first() is None or not is_made():
        raise CommandError(f"another upgrade is at {revision}, too: run this again")


def look_again(*, was_there: bool, committed: bool) -> None:
    """Refuse what was written between the first look and the triggers.

    In a transaction that the caller holds open these are taken back with the rest of it; where that sees no more than
    others had committed when it began, it finds nothing new, and says so. What `was_there` may be a database in use
    whose stamp alone is wrong, so it stays.
    """
    if not committed:
        isolation = op.get_bind().scalar(sa.text("SHOW transaction_isolation"))
        if isolation != "read committed":
            log.warning(
                "rows written during the upgrade cannot be seen in a %s transaction: they may break rules", isolation
            )
    broken = find_violations(op.get_bind(), VIOLATIONS["postgresql"], schema())
    if not broken:
        return
    said = refusal(revision, broken, "written while it was under way")
    if was_there:
        raise CommandError(f"{said}\n{STAY}: they were there before this upgrade.")
    if committed:
        try:
            take_back("postgresql", TABLES)
            commit()
        except sa.exc.DBAPIError as error:
            why = " ".join(str(error.orig).split())
            raise CommandError(f"{said}\n{STAY}, since they could not be taken back: {why}") from error
    raise CommandError(said)


def downgrade() -> None:
    """Take everything back in one transaction: a database without its guards is never one that is stamped 005.

    Dropping a trigger locks its table against readers, so the indexes may go in the same moment.
    """
    take_back(op.get_context().dialect.name, (*TABLES, "key_audit_logs"))
    for name in (*(name for name, *_ in INDEXES), TIMES):
        op.execute(f"DROP INDEX {qualified(name)}")


def take_back(dialect: str, tables: tuple[str, ...]) -> None:
    # All that is dropped, too: what DROP waited for in its turn, everybody would wait for.
    lock((*VIEWS, *OWN_TABLES, *tables), "ACCESS EXCLUSIVE")
    for statement in drop_statements(dialect, FILES[dialect], schema()):
        op.execute(statement)
