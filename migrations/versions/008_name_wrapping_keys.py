"""Name the key that wraps an HSM's credentials, and show who is still wrapped by what.

Credentials that were stored before do not say what they are under, and nobody but their owner could: the column stays
empty, and `kms-schema rewrap` tries them. Downgrading forgets the names, and changes nothing else.
"""

from alembic import op

from kms_schema.sql import create_statements, drop_statements, verbatim
from kms_schema.sql.steps import create_index, lock, qualified, schema

revision = "008_name_wrapping_keys"
down_revision = "007_record_key_changes"
branch_labels = None
depends_on = None

INDEX = "idx_key_versions_wrapping_key_ref"
VIEW = "key_wrapping_dependants_v01"
RULES = {
    "postgresql": (
        r"CONSTRAINT ck_hsm_configurations_wrapping_key_ref_not_blank"
        r" CHECK (btrim(wrapping_key_ref, E' \t\n\r') <> '')",
        "CONSTRAINT ck_hsm_configurations_wrapping_key_ref_has_credentials"
        " CHECK (wrapping_key_ref IS NULL OR authentication_config IS NOT NULL)",
    ),
    "sqlite": (
        "CONSTRAINT ck_hsm_configurations_wrapping_key_ref_not_blank"
        " CHECK (trim(wrapping_key_ref, char(9, 10, 13, 32)) <> '')",
        "CONSTRAINT ck_hsm_configurations_wrapping_key_ref_has_credentials"
        " CHECK (wrapping_key_ref IS NULL OR authentication_config IS NOT NULL)",
        "CONSTRAINT ck_hsm_configurations_wrapping_key_ref_type"
        " CHECK (wrapping_key_ref IS NULL OR (typeof(wrapping_key_ref) = 'text'"
        " AND instr(wrapping_key_ref, char(0)) = 0 AND length(wrapping_key_ref) <= 255))",
    ),
}
BEFORE: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "audit_hsm_configuration_insert_trigger_v01",
        "audit_hsm_configuration_update_trigger_v01",
        "audit_hsm_configuration_delete_trigger_v01",
    ),
    "sqlite": (
        "touch_hsm_configuration_updated_at_trigger_v01",
        "audit_hsm_configuration_insert_trigger_v01",
        "audit_hsm_configuration_update_trigger_v01",
        "audit_hsm_configuration_delete_trigger_v01",
    ),
}
AFTER: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "audit_hsm_configuration_insert_trigger_v02",
        "audit_hsm_configuration_update_trigger_v02",
        "audit_hsm_configuration_delete_trigger_v02",
    ),
    "sqlite": (
        "touch_hsm_configuration_updated_at_trigger_v02",
        "audit_hsm_configuration_insert_trigger_v02",
        "audit_hsm_configuration_update_trigger_v02",
        "audit_hsm_configuration_delete_trigger_v02",
    ),
}
"""The triggers that list the columns of the table, without the new one and with it."""

OTHER_TRIGGERS = (
    "guard_hsm_configuration_insert_trigger_v01",
    "guard_hsm_configuration_update_trigger_v01",
    "guard_hsm_configuration_not_null_insert_trigger_v01",
    "guard_hsm_configuration_not_null_trigger_v01",
    "protect_hsm_configuration_identity_trigger_v01",
)
"""What else SQLite drops together with the table, in the order in which it fires."""

KEPT = (
    "id, provider, configuration_name, endpoint_url, authentication_config, supported_algorithms, max_key_size_bits,"
    " supports_key_generation, supports_key_derivation, is_active, last_health_check, health_status, response_time_ms,"
    " require_dual_auth, audit_all_operations, created_at, created_by, updated_at"
)


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    create_index(INDEX, "key_versions", ["wrapping_key_ref"], where="wrapping_key_ref IS NOT NULL")
    lock(("hsm_configurations",), "ACCESS EXCLUSIVE")
    column = "ADD COLUMN wrapping_key_ref VARCHAR(255)"
    if dialect == "postgresql":
        # The table has a row for each HSM: looking at all of them takes no time.
        added = ", ".join((column, *(f"ADD {rule}" for rule in RULES[dialect])))
    else:
        added = " ".join((column, *RULES[dialect]))
    op.execute(verbatim(f"ALTER TABLE {qualified('hsm_configurations')} {added}"))
    replace_triggers(dialect, BEFORE[dialect], AFTER[dialect])
    for statement in create_statements(dialect, (VIEW,), schema()):
        op.execute(statement)


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    lock(("key_wrapping_dependants", "key_versions", "hsm_configurations"), "ACCESS EXCLUSIVE")
    for statement in drop_statements(dialect, (VIEW,), schema()):
        op.execute(statement)
    if dialect == "postgresql":
        replace_triggers(dialect, AFTER[dialect], BEFORE[dialect])
        op.execute(f"ALTER TABLE {qualified('hsm_configurations')} DROP COLUMN wrapping_key_ref")
    else:
        rebuild_table()
    op.execute(f"DROP INDEX {qualified(INDEX)}")


def replace_triggers(dialect: str, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    """Put one version of the triggers in the place of another."""
    for statement in (*drop_statements(dialect, old, schema()), *create_statements(dialect, new, schema())):
        op.execute(statement)


def rebuild_table() -> None:
    """Make SQLite's table without the column. Nothing refers to it, and dropping it fires no trigger.

    DROP COLUMN of SQLite before 3.35.5 could damage the file: https://www.sqlite.org/releaselog/3_35_5.html
    """
    op.execute(f"CREATE TABLE hsm_configurations_kept AS SELECT {KEPT} FROM hsm_configurations")
    op.execute("DROP TABLE hsm_configurations")
    for statement in create_statements("sqlite", ("hsm_configurations_v01",)):
        op.execute(statement)
    op.execute(f"INSERT INTO hsm_configurations ({KEPT}) SELECT {KEPT} FROM hsm_configurations_kept")
    op.execute("DROP TABLE hsm_configurations_kept")
    for statement in create_statements("sqlite", (*OTHER_TRIGGERS, *BEFORE["sqlite"])):
        op.execute(statement)
