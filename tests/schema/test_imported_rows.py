"""Keys and versions that come many at a time are recorded as those that come one by one, and at once."""

from typing import Any

import pytest

from support.recorded_changes import last_sequence, recorded
from support.rows.smallest import (
    Row,
    active_key_master,
    envelope,
    insert,
    key_master,
    key_version,
    live_key_version,
    now,
)
from support.shared import SharedDatabase
from support.statements import execute, refused

MANY = 100
ONE_KEY = "INSERT INTO key_masters (key_id, key_type, algorithm, key_size_bits) VALUES ('k', 'dek', 'AES', 256)"


def insert_all(shared: SharedDatabase, table: str, rows: list[Row]) -> None:
    """Insert rows by one statement."""
    columns = ", ".join(f'"{column}"' for column in rows[0])
    places = [", ".join(f":{column}_{number}" for column in row) for number, row in enumerate(rows)]
    given = {f"{column}_{number}": value for number, row in enumerate(rows) for column, value in row.items()}
    values = ", ".join(f"({each})" for each in places)
    execute(shared.connection, f"INSERT INTO {table} ({columns}) VALUES {values}", given)  # noqa: S608


def keys() -> list[Row]:
    """Return keys of several statuses, with what is quoted in their entries and what is only named."""
    at = now()
    common = {"created_at": at, "activated_at": at, "hsm_metadata": {"secret": 1}, "compliance_tags": ["a", None]}
    return [
        key_master(**common, status="active"),
        key_master(**{**common, "activated_at": None}, status="pending"),
        key_master(**common, status="active"),
    ]


def said(entries: list[Row]) -> list[Any]:
    """Return what entries say, but for when and in which place."""
    return [[value for name, value in entry.items() if name != "sequence"] for entry in entries]


def both_ways(shared: SharedDatabase, table: str, rows: list[Row]) -> tuple[list[Any], list[Any]]:
    """Insert the same rows one by one, take that back, and insert them at once; return the entries of both."""
    seen = []
    for at_once in (False, True):
        execute(shared.connection, "SAVEPOINT before")
        after = last_sequence(shared.connection)
        if at_once:
            insert_all(shared, table, rows)
        else:
            for row in rows:
                insert(shared.connection, table, **row)
        seen.append(said(recorded(shared.connection, after)))
        execute(shared.connection, "ROLLBACK TO before")
    return seen[0], seen[1]


def test_keys_of_one_statement_are_recorded_as_keys_of_many(shared: SharedDatabase) -> None:
    one_by_one, at_once = both_ways(shared, "key_masters", keys())
    assert len(one_by_one) == 5
    assert at_once == one_by_one


def test_versions_of_one_statement_are_recorded_as_versions_of_many(shared: SharedDatabase) -> None:
    masters = [insert(shared.connection, "key_masters", **active_key_master()) for _ in range(3)]
    versions = [live_key_version(master, ciphertext_tag=tag) for tag, master in enumerate(masters, 1)]
    one_by_one, at_once = both_ways(shared, "key_versions", versions)
    assert len(one_by_one) == 6
    assert at_once == one_by_one


@pytest.mark.only_on("postgresql")
def test_an_actor_is_named_in_each_entry(shared: SharedDatabase) -> None:
    execute(shared.connection, "SET LOCAL kms.actor = 'the import'")
    after = last_sequence(shared.connection)
    insert_all(shared, "key_masters", keys())
    assert [entry["user_id"] for entry in recorded(shared.connection, after)] == ["the import"] * 5
    refused(shared.connection, f"SET LOCAL kms.actor = '{'x' * 101}'; {ONE_KEY}", rule="kms.actor has 101 characters")


def test_a_key_is_updated_from_all_of_its_versions(shared: SharedDatabase) -> None:
    at = now()
    master = insert(shared.connection, "key_masters", **active_key_master(created_at=at, activated_at=at))
    made = {"created_at": at, "activated_at": at, "deactivated_at": at}
    first = key_version(master, **made, usage_count=5)
    insert_all(shared, "key_versions", [first, key_version(master, version_number=2, **made, usage_count=7)])
    row = execute(
        shared.connection, "SELECT usage_count, rotated_at = activated_at FROM key_masters WHERE id = :id", master
    ).fetchone()
    assert tuple(row) == (12, True)


@pytest.mark.only_on("postgresql")
def test_the_entries_of_a_statement_are_written_at_once(shared: SharedDatabase) -> None:
    """A statement for each entry would cost most; COPY is one statement, as INSERT is."""
    execute(shared.connection, "SET LOCAL track_functions = 'all'")
    after = last_sequence(shared.connection)
    insert_all(shared, "key_masters", (masters := [active_key_master() for _ in range(MANY)]))
    insert_all(shared, "key_versions", [live_key_version(master) for master in masters])
    assert len(recorded(shared.connection, after)) == 4 * MANY
    calls = dict(execute(shared.connection, "SELECT funcname, calls FROM pg_stat_xact_user_functions").fetchall())
    assert calls["audit_key_insert"] == 2
    assert calls["record_key_version_insert"] == 1
    assert calls["guard_key_audit_log_insert"] == 4 * MANY


@pytest.mark.only_on("postgresql")
def test_after_many_rows_a_single_row_causes_no_table_scan(shared: SharedDatabase) -> None:
    """A session keeps the plan of its first statement: one for thousands would read all versions for a single one."""
    masters = [active_key_master() for _ in range(20 * MANY)]
    for begun in range(0, len(masters), MANY):
        insert_all(shared, "key_masters", masters[begun : begun + MANY])
    statement = """INSERT INTO key_versions (key_id, version_number, encrypted_key_data, key_checksum,
        encryption_metadata, wrapping_key_ref)
    SELECT id, :version, :blob, repeat('a', 64), '{"format": 1, "algorithm": "AES-256-GCM", "associated_data": "key"}',
        'kms://root'
    FROM key_masters WHERE key_size_bits = 256"""
    for number in (1, 2):
        execute(shared.connection, "ANALYZE key_masters")
        execute(shared.connection, "ANALYZE key_versions")  # invalidates cached plans
        execute(shared.connection, statement, {"version": number, "blob": envelope(256)})
    read = "SELECT sum(seq_tup_read) FROM pg_stat_xact_user_tables WHERE relname IN ('key_masters', 'key_versions')"
    (before,) = execute(shared.connection, read).fetchone()
    insert(shared.connection, "key_versions", **live_key_version(masters[-1], version_number=3))
    assert execute(shared.connection, read).fetchone() == (before,)
