"""${message}.

Revises ${down_revision | comma,n}, ${create_date}
"""

from alembic import op

from kms_schema.sql import create_statements, drop_statements
from kms_schema.sql.operations import schema

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

FILES: dict[str, tuple[str, ...]] = {"postgresql": (), "sqlite": ()}


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    for statement in create_statements(dialect, FILES[dialect], schema()):
        op.execute(statement)


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    for statement in drop_statements(dialect, FILES[dialect], schema()):
        op.execute(statement)
