"""Index the host application's general audit log, where it has one.

The base of the history, which is the branch `kms` among a host's own revisions. The table `audit_logs` is the host's:
nothing is done where it is missing, or lacks the columns of an index, and the log says so. Only the schema that this
package lives in is looked at. The names begin with idx_kms_, so that downgrade removes no index of the host's own.
"""

import logging

import sqlalchemy as sa
from alembic import op

from kms_schema.sql import verbatim
from kms_schema.sql.operations import create_index, qualified, schema

revision = "003_optimize_audit_indexes"
down_revision = None
branch_labels = ("kms",)
depends_on = None

TABLE = "audit_logs"
INDEXES: dict[str, tuple[str, ...]] = {
    "idx_kms_audit_logs_timestamp": ("timestamp",),
    "idx_kms_audit_logs_action_type_timestamp": ("action_type", "timestamp"),
    "idx_kms_audit_logs_user_id_timestamp": ("user_id", "timestamp"),
    "idx_kms_audit_logs_status_timestamp": ("status", "timestamp"),
}

log = logging.getLogger("alembic.runtime.migration")


def upgrade() -> None:
    context = op.get_context()
    if context.as_sql:
        for name, columns in INDEXES.items():
            op.execute(verbatim(offline_statement(context.dialect.name, name, columns)))
        return
    present = host_columns()
    if not present:
        log.info("003: there is no table %s here, so there is nothing to index", TABLE)
    for name, columns in INDEXES.items():
        missing = [column for column in columns if column not in present]
        if not missing:
            create_index(name, TABLE, columns)
        elif present:
            log.info("003: %s is left out: %s has no column %s", name, TABLE, ", ".join(missing))


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX IF EXISTS {qualified(name)}")


def host_columns() -> set[str]:
    inspector = sa.inspect(op.get_bind())
    within = schema() if op.get_context().dialect.name == "postgresql" else None
    if not inspector.has_table(TABLE, schema=within):
        return set()
    return {column["name"] for column in inspector.get_columns(TABLE, schema=within)}


def offline_statement(dialect: str, name: str, columns: tuple[str, ...]) -> str:
    """Return a statement that indexes the host's table if it is there; SQLite has no conditional DDL."""
    if dialect != "postgresql":
        return f"-- 003: on a host's own {TABLE}: CREATE INDEX {name} ON {TABLE} ({', '.join(columns)})"
    wanted = ", ".join(f"'{column}'" for column in columns)
    listed = ", ".join(f'"{column}"' for column in columns)
    return f"""DO $$
BEGIN
    IF (
        SELECT count(*) FROM information_schema.columns
        WHERE table_schema = '{schema()}' AND table_name = '{TABLE}' AND column_name IN ({wanted})
    ) = {len(columns)} THEN
        CREATE INDEX IF NOT EXISTS {name} ON {qualified(TABLE)} ({listed});
    ELSE
        RAISE NOTICE '{name} is left out: {TABLE} or a column of it is not here';
    END IF;
END
$$"""
