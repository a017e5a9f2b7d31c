"""What the definition of the roles says of columns is about columns that there are."""

from kms_schema.models import Base
from kms_schema.roles.definition import CLIENT_COLUMNS, GRANTS, HSM_COLUMNS, POLICIES, RELATIONS, VERSION_COLUMNS
from kms_schema.roles.statements import functions
from kms_schema.snapshots import chain, load

EXPECTED = load("postgresql", chain()[-1], "18.0")


def columns(table: str) -> list[str]:
    return [column.name for column in Base.metadata.tables[table].columns]


def test_every_relation_of_the_newest_revision_is_in_it() -> None:
    made = {key.rpartition(" ")[2] for key in EXPECTED if key.startswith(("table ", "view ", "materialized view "))}
    assert sorted(made) == sorted(RELATIONS)


def test_every_right_and_policy_is_on_something_that_there_is() -> None:
    assert {right.on for right in GRANTS} <= {*RELATIONS, *functions()}
    assert {policy.table for policy in POLICIES} <= set(RELATIONS)
    for right in GRANTS:
        assert set(right.columns) <= set(columns(right.on) if right.columns else ())


def test_auditors_read_every_column_but_the_secret_ones() -> None:
    assert [name for name in columns("key_versions") if name not in VERSION_COLUMNS] == ["encrypted_key_data"]
    assert [name for name in columns("hsm_configurations") if name not in HSM_COLUMNS] == ["authentication_config"]


def test_a_client_says_neither_what_the_server_sets_nor_how_long_an_entry_is_kept() -> None:
    left = [name for name in columns("key_audit_logs") if name not in CLIENT_COLUMNS]
    assert left == ["id", "sequence", "timestamp", "retention_period_days", "recorded_by"]
