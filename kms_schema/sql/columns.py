"""Add columns to tables that are there, and take them away again, on both engines."""

from collections.abc import Sequence

from alembic import op

from kms_schema.sql import create_statements, drop_statements
from kms_schema.sql.operations import qualified


def add_columns(table: str, columns: Sequence[str]) -> None:
    """Add columns, each written as `name TYPE CONSTRAINT … CHECK (…)`; the caller has locked the table.

    No row has a value in them, so it takes a moment however many there are; but a CHECK is held against all rows. On
    PostgreSQL a column that an interrupted run has added stays: an index that is built CONCURRENTLY commits it first.
    """
    if op.get_context().dialect.name == "postgresql":
        added = ", ".join(f"ADD COLUMN IF NOT EXISTS {column}" for column in columns)
        op.execute(f"ALTER TABLE {qualified(table)} {added}")
        return
    for column in columns:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")


def drop_columns(table: str, columns: Sequence[str], *, aside: str) -> None:
    """Take away what `add_columns` added, once nothing mentions it any more; the caller has locked the table.

    `aside` is the SQL file of SQLite's trigger `guard_key_audit_actor_insert` at this revision. The trigger asks a
    PRAGMA, and DROP COLUMN refuses to read that where schemas are not trusted, as in SQLite's own shell; so it is
    dropped meanwhile.

    The last column goes first: DROP COLUMN before SQLite 3.35.5 could leave a value in the column after it
    (https://www.sqlite.org/releaselog/3_35_5.html), and so none does.
    """
    names = [column.partition(" ")[0] for column in reversed(columns)]
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {qualified(table)} {', '.join(f'DROP COLUMN {name}' for name in names)}")
        return
    for statement in drop_statements("sqlite", (aside,)):
        op.execute(statement)
    for name in names:
        op.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    for statement in create_statements("sqlite", (aside,)):
        op.execute(statement)
