"""What a database holds gives the bytes of encoding v1: by COPY, by SQL, and by Python."""

import uuid
from typing import Any

import pytest

from kms_schema.audit.formats.encoding import COLUMNS, EncodingError, columns, identity, leaf_hash
from kms_schema.audit.storage.postgresql import encoded_entries as postgresql_entries
from kms_schema.audit.storage.sqlite import encoded_entries as sqlite_entries
from kms_schema.audit.storage.sqlite_values import text_as_stored
from support.rows.smallest import audit_entry, insert, key_master
from support.shared import SharedDatabase
from support.statements import execute
from tests.audit.vectors import NEWEST_FIRST, copied, hold_key, newest, numbered, on_engine, restore, restoring

pytestmark = pytest.mark.versions("oldest and newest")

IN_ORDER = "SELECT {} FROM key_audit_logs ORDER BY sequence"
CHANGED = "UPDATE key_audit_logs SET {} WHERE sequence = 2"


def test_the_columns_are_the_tables_in_their_order(shared: SharedDatabase) -> None:
    seen = execute(shared.connection, "SELECT * FROM key_audit_logs LIMIT 0").description
    assert [column[0] for column in seen] == list(COLUMNS)


def test_a_golden_entry_in_the_table_gives_the_golden_bytes(shared: SharedDatabase) -> None:
    hold_key(shared.connection)
    restoring(shared)
    assert len(on_engine(shared.dialect)) >= 9
    for vector in sorted(on_engine(shared.dialect), key=lambda vector: int(str(vector["columns"]["sequence"]))):
        restore(shared.connection, vector["columns"], shared.dialect)
        entry = numbered(shared, int(str(vector["columns"]["sequence"])))
        assert entry.hex() == vector["entry"], vector["name"]
        assert leaf_hash(entry).hex() == vector["leaf_hash"], vector["name"]


@pytest.mark.only_on("postgresql")
def test_sql_makes_the_same_bytes_and_hashes(shared: SharedDatabase) -> None:
    hold_key(shared.connection)
    restoring(shared)
    for vector in on_engine("postgresql"):
        restore(shared.connection, vector["columns"], "postgresql")
    made = f"{postgresql_entries.EXPRESSION}, {postgresql_entries.LEAF_HASH}"
    numbers = ", ".join(str(vector["columns"]["sequence"]) for vector in on_engine("postgresql"))
    rows = execute(shared.connection, f"SELECT {made} FROM key_audit_logs WHERE sequence IN ({numbers})").fetchall()  # noqa: S608
    expected = [
        (bytes.fromhex(vector["entry"]), bytes.fromhex(vector["leaf_hash"])) for vector in on_engine("postgresql")
    ]
    assert sorted(rows) == sorted(expected)


def test_an_inserted_entry_has_the_encoding_of_its_row(shared: SharedDatabase) -> None:
    master = insert(shared.connection, "key_masters", **key_master())
    said = audit_entry(key_id=master["id"], risk_score=99, duration_ms=3, compliance_tags=["a", "b"], user_id="鍵")
    insert(shared.connection, "key_audit_logs", **said)
    entry = newest(shared)
    names = "id, sequence, recorded_by"
    raw_id, sequence, recorded_by = execute(shared.connection, NEWEST_FIRST.format(names)).fetchone()
    found = columns(entry)
    assert identity(entry) == (uuid.UUID(str(raw_id)), sequence)
    assert found["recorded_by"] == recorded_by
    expected = said | {"key_id": str(master["id"]), "compliance_tags": '["a", "b"]'}
    assert {name: found[name] for name in said} == expected


@pytest.mark.only_on("postgresql")
def test_the_text_of_jsonb_is_what_counts_and_not_how_it_came(shared: SharedDatabase) -> None:
    insert(shared.connection, "key_audit_logs", **audit_entry(additional_metadata={"bb": 1, "a": 2}))
    assert columns(newest(shared))["additional_metadata"] == '{"a": 2, "bb": 1}'


@pytest.mark.only_on("postgresql")
def test_entries_of_many_sizes_are_told_apart_however_the_stream_comes(shared: SharedDatabase) -> None:
    for size in (0, 1, 7000, 8192, 32768):
        row = audit_entry(event_description="x" * size, additional_metadata={"text": "x" * (2 * size - 40)})
        insert(shared.connection, "key_audit_logs", **row)
    by_copy = copied(shared.connection, IN_ORDER.format(postgresql_entries.SELECTED))
    by_sql = [entry for (entry,) in execute(shared.connection, IN_ORDER.format(postgresql_entries.EXPRESSION))]
    assert [bytes(entry) for entry in by_copy] == by_sql
    assert len(by_sql) >= 6


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("stored", ["CAST(x'ff41c3' AS TEXT)", "'plain'"])
def test_a_text_that_is_no_utf8_is_hashed_as_it_is(shared: SharedDatabase, stored: str) -> None:
    insert(shared.connection, "key_audit_logs", **audit_entry())
    connection: Any = shared.connection
    execute(connection, "DROP TRIGGER prevent_key_audit_log_update")
    execute(connection, CHANGED.format(f"user_id = {stored}"))
    connection.text_factory = text_as_stored
    row = execute(connection, NEWEST_FIRST.format(sqlite_entries.SELECTED)).fetchone()
    (raw,) = execute(connection, "SELECT CAST(user_id AS BLOB) FROM key_audit_logs WHERE sequence = 2").fetchone()
    assert raw in sqlite_entries.entry_from_row(row)


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "change", ["user_id = x'41'", "duration_ms = 1.5", "timestamp = '2026-11-25 12:00:00'", "id = 'zz'", "id = 'ab'"]
)
def test_a_value_of_another_type_has_no_bytes(shared: SharedDatabase, change: str) -> None:
    insert(shared.connection, "key_audit_logs", **audit_entry())
    execute(shared.connection, "DROP TRIGGER prevent_key_audit_log_update")
    execute(shared.connection, "PRAGMA ignore_check_constraints = on")
    execute(shared.connection, CHANGED.format(change))
    execute(shared.connection, "PRAGMA ignore_check_constraints = off")
    with pytest.raises(EncodingError, match=change.partition(" ")[0]):
        newest(shared)
