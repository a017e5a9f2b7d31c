"""The columns of applications that hold ciphertexts of a key: their form, and that none is taken away by mistake."""

from typing import Any

import pytest

from support.recorded_changes import last_sequence, recorded
from support.rows.smallest import insert, key_master
from support.shared import SharedDatabase
from tests.schema.key_rules import insert_refused, update, update_refused

pytestmark = pytest.mark.versions("oldest and newest")

RULE = "validate_key_master_encrypted_columns"


def column(shared: SharedDatabase, name: str, **more: Any) -> dict[str, Any]:
    schema = {"schema": "public"} if shared.dialect == "postgresql" else {}
    return {**schema, "table": "invoices", "column": name, **more}


@pytest.mark.parametrize(
    "wrong", [{"column": None}, {"table": ""}, {"column": 7}, {"more": "x"}, {"table": ["x"]}], ids=str
)
def test_a_column_is_named_by_texts(shared: SharedDatabase, wrong: dict[str, Any]) -> None:
    good = column(shared, "iban")
    key = insert(shared.connection, "key_masters", **key_master(encrypted_columns=[good]))
    for given in ([{**good, **wrong}], [good, {**good, **wrong}], ["iban"], [None], [[good]], [{}]):
        insert_refused(shared.connection, "key_masters", key_master(encrypted_columns=given), rule=RULE)
        update_refused(shared.connection, "key_masters", key, {"encrypted_columns": given}, rule=RULE)


def test_a_schema_is_named_where_there_are_schemas(shared: SharedDatabase) -> None:
    other = {"table": "invoices", "column": "iban"}
    if shared.dialect == "sqlite":
        other["schema"] = "main"
    insert_refused(shared.connection, "key_masters", key_master(encrypted_columns=[other]), rule=RULE)


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("left", [None, [], [{"table": "invoices", "column": "other"}]], ids=str)
def test_a_column_is_taken_away_only_with_a_reason(shared: SharedDatabase, left: Any) -> None:
    both = [column(shared, "iban"), column(shared, "bic")]
    key = insert(shared.connection, "key_masters", **key_master(encrypted_columns=both, status_reason="old"))
    update(shared.connection, "key_masters", key, encrypted_columns=both[::-1])
    for reason in ({}, {"status_reason": "old"}, {"status_reason": None}):
        update_refused(shared.connection, "key_masters", key, {"encrypted_columns": left, **reason}, rule=RULE)
    update(shared.connection, "key_masters", key, encrypted_columns=left, status_reason="table dropped")


def test_a_declared_column_is_in_the_audit_log(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    before = last_sequence(shared.connection)
    update(shared.connection, "key_masters", key, encrypted_columns=[column(shared, "iban")])
    [entry] = recorded(shared.connection, before)
    metadata = entry["additional_metadata"]
    assert (metadata["changed"], metadata["to"]["encrypted_columns"]) == (
        ["encrypted_columns"],
        [column(shared, "iban")],
    )
