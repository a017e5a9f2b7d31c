"""A small database with something in every table, and what is in it."""

import sqlite3
from typing import Any

from support.engines.database import Connection
from support.rows import smallest
from support.rows.smallest import insert
from support.statements import execute

TABLES = (
    "key_masters",
    "key_versions",
    "rotation_policies",
    "key_rotations",
    "hsm_configurations",
    "key_audit_logs",
)


def populate(connection: Connection) -> None:
    """Add a wrapped key with a child, a policy, a rotation under way, an HSM and two audit entries."""
    kek = insert(connection, "key_masters", **smallest.active_key_master(key_type="kek"))
    dek = insert(connection, "key_masters", **smallest.active_key_master(parent_key_id=kek["key_id"]))
    wrapper = insert(connection, "key_versions", **smallest.live_key_version(kek))
    insert(connection, "key_versions", **smallest.live_key_version(dek, wrapped_by_version_id=wrapper["id"]))
    policy = insert(connection, "rotation_policies", **smallest.rotation_policy())
    insert(connection, "key_rotations", **smallest.key_rotation(dek, policy_id=policy["id"], old_version=1))
    insert(connection, "hsm_configurations", **smallest.hsm_configuration())
    insert(connection, "key_audit_logs", **smallest.audit_entry(key_id=dek["id"]))
    insert(connection, "key_audit_logs", **smallest.audit_entry(event_category="SECURITY", risk_score=90))


def all_rows(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the six tables that exist here."""
    catalog = "sqlite_master" if isinstance(connection, sqlite3.Connection) else "pg_catalog.pg_tables"
    column = "name" if isinstance(connection, sqlite3.Connection) else "tablename"
    present = {name for (name,) in execute(connection, f"SELECT {column} FROM {catalog}")}  # noqa: S608
    return {
        table: sorted(execute(connection, f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608
        for table in TABLES
        if table in present
    }


def as_it_was(
    before: dict[str, list[tuple[Any, ...]]], after: dict[str, list[tuple[Any, ...]]]
) -> dict[str, list[tuple[Any, ...]]]:
    """Return `after` without the columns that tables have got since `before`; in old rows these hold nothing."""
    widths = {table: len(rows[0]) for table, rows in before.items() if rows}
    cut = {table: widths.get(table, 0) for table in after}
    assert {value for table, rows in after.items() for row in rows for value in row[cut[table] :]} <= {None}
    return {table: [row[: cut[table]] for row in rows] for table, rows in after.items()}
