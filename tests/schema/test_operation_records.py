"""Records of publications, cosignatures and validations: which rows are accepted, and that they never change."""

from typing import Any

import pytest

from kms_schema.vocabulary import RecordedOperation
from support.rows.smallest import Row, in_words, insert
from support.shared import SharedDatabase
from support.statements import execute, refused

TABLE = "key_operation_records"
FINDINGS = {"errors": 0, "warnings": 1, "infos": 2, "unchecked": 0}
VALIDATION: Row = {"operation": "VALIDATION", "subject": "catalog", **FINDINGS}
PUBLICATION: Row = {"operation": "PUBLICATION", "subject": "kms.example/audit", "seal_number": 1}
INSERT = "INSERT INTO key_operation_records ({}) VALUES ({})"


def statement(row: Row) -> str:
    return INSERT.format(", ".join(row), ", ".join(f":{name}" for name in row))


@pytest.mark.parametrize("row", [VALIDATION, PUBLICATION, {**PUBLICATION, "operation": "COSIGNATURE"}], ids=in_words)
def test_a_record_has_the_time_and_the_role_of_the_server(shared: SharedDatabase, row: Row) -> None:
    insert(shared.connection, TABLE, **row)
    query = "SELECT operation, recorded_at IS NOT NULL, recorded_by FROM key_operation_records"
    [(operation, timed, role)] = execute(shared.connection, query).fetchall()
    assert (RecordedOperation(operation), bool(timed)) == (row["operation"], True)
    assert role == ("sqlite" if shared.dialect == "sqlite" else "postgres")


@pytest.mark.parametrize(
    ("row", "over", "rule"),
    [
        (VALIDATION, {"errors": None}, "values_of_operation"),
        (VALIDATION, {"infos": -1}, "values_of_operation"),
        (VALIDATION, {"unchecked": None}, "values_of_operation"),
        (VALIDATION, {"seal_number": 1}, "values_of_operation"),
        (PUBLICATION, {"seal_number": None}, "values_of_operation"),
        (PUBLICATION, {"seal_number": 0}, "values_of_operation"),
        (PUBLICATION, {"warnings": 0}, "values_of_operation"),
        (PUBLICATION, {"unchecked": 0}, "values_of_operation"),
    ],
    ids=lambda each: in_words(each) if isinstance(each, dict) else each,
)
def test_a_record_that_says_too_little_or_too_much_is_refused(
    shared: SharedDatabase, row: Row, over: Row, rule: str
) -> None:
    wrong = {**row, **over}
    refused(shared.connection, statement(wrong), wrong, rule=f"ck_{TABLE}_{rule}")


def test_a_record_never_changes(shared: SharedDatabase) -> None:
    insert(shared.connection, TABLE, **PUBLICATION)
    attempts = {
        "update": "UPDATE key_operation_records SET seal_number = 9",
        "delete": "DELETE FROM key_operation_records",
    }
    if shared.dialect == "postgresql":
        attempts["delete_truncate"] = f"TRUNCATE {TABLE}"
    for event, attempt in attempts.items():
        refused(shared.connection, attempt, rule=f"prevent_key_operation_record_{event}")


@pytest.mark.only_on("sqlite")
def test_on_sqlite_nobody_chooses_a_time_or_replaces_a_record(shared: SharedDatabase) -> None:
    """On PostgreSQL the privileges of the roles leave out these columns: tests/roles."""
    guard = "guard_key_operation_record_insert"
    chosen: list[dict[str, Any]] = [{"recorded_at": "2026-01-01T00:00:00.000000Z"}, {"recorded_by": "somebody"}]
    for over in chosen:
        row = {**PUBLICATION, **over}
        refused(shared.connection, statement(row), row, rule=guard)
    execute(shared.connection, "PRAGMA ignore_check_constraints = on")
    for over in ({"operation": "GUESS"}, {"subject": " "}):
        row = {**PUBLICATION, **over}
        refused(shared.connection, statement(row), row, rule=f"ck_{TABLE}_")
    execute(shared.connection, "PRAGMA ignore_check_constraints = off")
    insert(shared.connection, TABLE, **PUBLICATION)
    again = (
        "INSERT OR REPLACE INTO key_operation_records (operation, subject, recorded_at, seal_number)"
        " SELECT operation, subject, recorded_at, 9 FROM key_operation_records"
    )
    refused(shared.connection, again, rule=f"pk_{TABLE}")
