"""Seals, leaves and subtrees are written once: no statement and no setting changes, removes or displaces one."""

import pytest

from support.engines.database import Connection
from support.rows.evidence import (
    LEAF_GUARD,
    LEAVES,
    SEAL_GUARD,
    SEALS,
    SUBTREE_GUARD,
    SUBTREES,
    inserting,
    page,
    seal,
    subtree,
)
from support.rows.smallest import Row, insert
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.refused_rows import (
    EACH_SETTING,
    UNIQUE_VIOLATION,
    apply_settings,
    refuses,
)

pytestmark = pytest.mark.versions("oldest and newest")

WRITTEN_ONCE = "23001"


@pytest.fixture
def sealed(shared: SharedDatabase) -> Connection:
    """A trail with one row in each table, of a tree of 70 000 leaves."""
    insert(shared.connection, SEALS, **seal(tree_size=70_000))
    insert(shared.connection, LEAVES, **page())
    insert(shared.connection, SUBTREES, **subtree())
    return shared.connection


CHANGES = {
    f"{verb.split()[0]} of {table}": (table, verb.format(table=table, column=column), f"prevent_key_audit_{of}_{what}")
    for table, of, column in ((SEALS, "seal", "root_hash"), (LEAVES, "leaf", "hashes"), (SUBTREES, "subtree", "hash"))
    for verb, what in (("UPDATE {table} SET {column} = {column}", "update"), ("DELETE FROM {table}", "delete"))
}
TRUNCATED = {
    f"TRUNCATE of {table}": (table, f"TRUNCATE {table} CASCADE", f"prevent_key_audit_{of}_delete_truncate")
    for table, of in ((SEALS, "seal"), (LEAVES, "leaf"), (SUBTREES, "subtree"))
}


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("change", CHANGES | TRUNCATED)
@pytest.mark.parametrize("setting", ["session_replication_role = replica", "kms.restore = on"])
def test_no_setting_lets_evidence_be_changed(sealed: Connection, change: str, setting: str) -> None:
    execute(sealed, f"SET LOCAL {setting}")
    table, statement, rule = (CHANGES | TRUNCATED)[change]
    refuses(sealed, table, statement, rule=rule, sqlstate=WRITTEN_ONCE)


ROWS: dict[str, tuple[Row, str, str]] = {
    SEALS: (seal(tree_size=70_001), SEAL_GUARD, "seal_number"),
    LEAVES: (page(first_sequence=7), LEAF_GUARD, "first_leaf"),
    SUBTREES: (subtree(), SUBTREE_GUARD, "level, position"),
}
"""Of each table a row with the key of the one that `sealed` has, who refuses it, and the key."""


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("table", ROWS)
def test_a_restore_by_the_owner_brings_rows_in_any_order_and_none_twice(sealed: Connection, table: str) -> None:
    execute(sealed, "SET LOCAL kms.restore = on")
    row, _, key = ROWS[table]
    refuses(sealed, table, inserting(table, row), row, rule=f"pk_{table}", sqlstate=UNIQUE_VIOLATION)
    column = key.partition(",")[0]
    upsert = f"{inserting(table, row)} ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}"
    of = {SEALS: "seal", LEAVES: "leaf", SUBTREES: "subtree"}[table]
    refuses(sealed, table, upsert, row, rule=f"prevent_key_audit_{of}_update", sqlstate=WRITTEN_ONCE)
    insert(sealed, table, **{**row, column: 48})


@pytest.mark.only_on("sqlite")
@EACH_SETTING
def test_nothing_displaces_evidence_on_sqlite(shared: SharedDatabase, settings: Row) -> None:
    connection = shared.connection
    apply_settings(connection, settings)
    insert(connection, SEALS, **seal(tree_size=70_000))
    insert(connection, LEAVES, **page())
    insert(connection, SUBTREES, **subtree())
    for table, (row, rule, key) in ROWS.items():
        for verb in ("REPLACE", "INSERT OR REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL", "INSERT OR ABORT"):
            refuses(connection, table, inserting(table, row, verb), row, rule=rule)
        column = key.partition(",")[0]
        for then in ("DO NOTHING", f"({key}) DO UPDATE SET {column} = 48"):
            refuses(connection, table, f"{inserting(table, row)} ON CONFLICT {then}", row, rule=rule)
        of = {SEALS: "seal", LEAVES: "leaf", SUBTREES: "subtree"}[table]
        for resolution in ("REPLACE", "IGNORE", "FAIL"):
            update = f"UPDATE OR {resolution} {table} SET {column} = 48"  # noqa: S608
            refuses(connection, table, update, rule=f"prevent_key_audit_{of}_update")
    same_sequence = page(2, 1)
    for verb in ("REPLACE", "INSERT OR IGNORE"):
        rule = "uq_key_audit_leaves_first_sequence"
        refuses(connection, LEAVES, inserting(LEAVES, same_sequence, verb), same_sequence, rule=rule)
    same_size = seal(2, 70_000)
    refuses(connection, SEALS, inserting(SEALS, same_size, "REPLACE"), same_size, rule=SEAL_GUARD)
