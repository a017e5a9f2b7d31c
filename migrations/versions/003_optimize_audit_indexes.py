"""Index the host application's general audit log, where it has one.

The base of the history. The table `audit_logs` is the host's: nothing is done where it is missing, or lacks the
columns of an index, and the log says so. The names begin with idx_kms_, so that downgrade removes no index of
the host's own.
"""

import logging

import sqlalchemy as sa
from alembic import op

from kms_schema.sql import verbatim

revision = "003_optimize_audit_indexes"
down_revision = None
branch_labels = None
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
            create_index(name, columns)
        elif present:
            log.info("003: %s is left out: %s has no column %s", name, TABLE, ", ".join(missing))


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX IF EXISTS {qualified(name)}")


def host_columns() -> set[str]:
    inspector = sa.inspect(op.get_bind())
    if not inspector.has_table(TABLE, schema=schema()):
        return set()
    return {column["name"] for column in inspector.get_columns(TABLE, schema=schema())}


def create_index(name: str, columns: tuple[str, ...]) -> None:
    """Build one index; on PostgreSQL without blocking writers, and anew where an interrupted build left it INVALID."""
    context = op.get_context()
    if context.dialect.name != "postgresql":
        op.create_index(name, TABLE, [*columns], if_not_exists=True)
    elif not context.opts.get("kms_concurrently", True):
        op.create_index(name, TABLE, [*columns], schema=schema(), if_not_exists=True)
    else:
        with context.autocommit_block():
            if is_invalid(name):
                op.execute(f"DROP INDEX CONCURRENTLY {qualified(name)}")
            op.create_index(name, TABLE, [*columns], schema=schema(), if_not_exists=True, postgresql_concurrently=True)


def is_invalid(name: str) -> bool:
    query = sa.text("SELECT NOT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(op.get_bind().scalar(query, {"name": qualified(name)}))


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


def schema() -> str | None:
    context = op.get_context()
    return context.opts.get("kms_schema", "public") if context.dialect.name == "postgresql" else None


def qualified(name: str) -> str:
    return f"{schema()}.{name}" if schema() else name
