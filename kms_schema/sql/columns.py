"""Add columns to tables that exist, and drop them again, on both engines."""

from collections.abc import Sequence

from kms_schema.sql.declarations import Declaration
from kms_schema.sql.objects import create_objects, drop_objects
from kms_schema.sql.operations import PerEngine, engine_name, execute, locks, on_postgresql, qualified


def add_columns(table: str, columns: PerEngine[Sequence[str]]) -> None:
    """Add columns, each written as `name TYPE CONSTRAINT … CHECK (…)`; the caller has locked the table.

    No row has a value in them, so the time does not depend on the number of rows; but a CHECK is checked for all rows.
    On PostgreSQL a column that an interrupted run has added stays: an index that is built CONCURRENTLY commits it
    first.

    Example: `add_columns("key_versions", {"postgresql": ("label VARCHAR(30)",), "sqlite": ("label VARCHAR(30)",)})`.
    """
    chosen = columns[engine_name()]
    if not on_postgresql():
        for column in chosen:
            execute(f"ALTER TABLE {table} ADD COLUMN {column}", Declaration())
        return
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS {column}" for column in chosen)
    types = {column.split(" ")[0]: column.split(" ")[1].partition("(")[0] for column in chosen}
    checked = any(" CHECK " in column for column in chosen)
    taken = locks("ACCESS EXCLUSIVE", (table,), f"column {', '.join(types)}", long=checked)
    execute(f"ALTER TABLE {qualified(table)} {added}", Declaration(taken, columns=types))


def drop_columns(table: str, columns: PerEngine[Sequence[str]], *, aside: str) -> None:
    """Drop what `add_columns` added, once nothing refers to it any more; the caller has locked the table.

    `aside` is the SQL file of SQLite's trigger `guard_key_audit_actor_insert` at this revision. The trigger reads a
    PRAGMA, and DROP COLUMN refuses to parse that where schemas are not trusted, as in SQLite's own shell; so it is
    dropped meanwhile.

    The last column is dropped first: DROP COLUMN before SQLite 3.35.5 could leave a value in the column after it
    (https://www.sqlite.org/releaselog/3_35_5.html).
    """
    names = [column.partition(" ")[0] for column in reversed(columns[engine_name()])]
    if on_postgresql():
        dropped = ", ".join(f"DROP COLUMN {name}" for name in names)
        taken = locks("ACCESS EXCLUSIVE", (table,), f"column {', '.join(names)}")
        execute(f"ALTER TABLE {qualified(table)} {dropped}", Declaration(taken))
        return
    drop_objects((aside,))
    for name in names:
        execute(f"ALTER TABLE {table} DROP COLUMN {name}", Declaration())
    create_objects((aside,))
