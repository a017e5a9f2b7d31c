"""Which columns of a table say something that has to be recorded: all but those listed here, on both engines alike."""

import re

import pytest

from kms_schema.models import Base
from kms_schema.vocabulary import RecordedEvent
from support.views.view_fixture import newest

NAMES = {
    "key_masters": "key_master",
    "key_versions": "key_version",
    "rotation_policies": "rotation_policy",
    "key_rotations": "key_rotation",
    "hsm_configurations": "hsm_configuration",
}
BOOKS = {
    "key_masters": {"usage_count"},
    "key_versions": {
        *("usage_count", "data_volume_bytes", "generation_time_ms", "entropy_score"),
        *("key_type", "usage_index_bound", "volume_index_bound"),
    },
    "rotation_policies": set(),
    "key_rotations": {"policy_id", "next_retry_at", "lease_expires_at", "execution_time_ms", "affected_records"},
    "hsm_configurations": {"last_health_check", "health_status", "response_time_ms"},
}
"""Use, measurements, health and leases: counted or observed, and no change of state; index bounds follow from use.

Another health and a counter that jumps have events of their own, `HSM_HEALTH_CHANGED` and `VERSION_COUNT_JUMPED`. A
rotation's policy goes with it, and the policy's deletion is recorded.
"""
OF_THE_ROW = {"id", "created_at", "updated_at"}
BELONGS_TO = {"key_versions": {"key_id"}, "key_rotations": {"key_id"}}
"""Never changes, and is in every entry's document."""
SECRET_OR_FREE = {
    "key_masters": {"hsm_metadata"},
    "key_versions": {"encrypted_key_data", "key_checksum", "encryption_metadata"},
    "rotation_policies": {"notification_channels"},
    "key_rotations": {"trigger_details", "error_message", "pre_rotation_checksum", "post_rotation_checksum"},
    "hsm_configurations": {"endpoint_url", "authentication_config"},
}
"""Named where they change, and never quoted: an entry cannot be taken back."""


GUARD = "guard_key_audit_log_insert_event"


def recording(dialect: str, table: str, event: str) -> str:
    return newest(dialect, f"audit_{NAMES[table]}_{event}_trigger").text


def expected(table: str) -> set[str]:
    columns = {column.name for column in Base.metadata.tables[table].columns}
    return columns - BOOKS[table] - OF_THE_ROW - BELONGS_TO.get(table, set())


@pytest.mark.parametrize("event", ["insert", "update", "delete"])
@pytest.mark.parametrize("table", NAMES)
def test_every_column_is_recorded_or_is_listed_here_on_postgresql(table: str, event: str) -> None:
    text = recording("postgresql", table, event)
    shown, named = (set(re.findall(r"\w+", each)) for each in re.findall(r"'\{(.*?)\}'", text, re.DOTALL))
    assert shown | named == expected(table)
    assert named == SECRET_OR_FREE[table]


@pytest.mark.parametrize("event", ["insert", "update", "delete"])
@pytest.mark.parametrize("table", NAMES)
def test_every_column_is_recorded_or_is_listed_here_on_sqlite(table: str, event: str) -> None:
    text = recording("sqlite", table, event)
    kinds = dict(re.findall(r"SELECT '(\w+)'(?: AS name)?, '(\w+)'(?: AS kind)?, (?:NULL|OLD|NEW)", text))
    assert kinds.keys() == expected(table)
    assert {column for column, kind in kinds.items() if kind == "named"} == SECRET_OR_FREE[table]


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
@pytest.mark.parametrize("table", NAMES)
def test_an_update_is_looked_at_wherever_a_recorded_column_changes(table: str, dialect: str) -> None:
    text = recording(dialect, table, "update")
    condition = text[text.index("WHEN") : text.index("EXECUTE" if dialect == "postgresql" else "BEGIN")]
    if dialect == "postgresql":  # so that other statements do not even come to the condition
        of = text[text.index("UPDATE OF") + 9 : text.index("ON {schema}")]
        assert set(re.findall(r"\w+", of)) == expected(table) - {"retry_count"}
    looked_at = set(re.findall(r'OLD\."?(\w+)"? IS (?:DISTINCT FROM|NOT) NEW', condition))
    assert looked_at == expected(table) - {"retry_count"}  # which changes with the status alone


def test_the_guard_trigger_has_every_event() -> None:
    text = newest("postgresql", GUARD).text
    (listed,) = re.findall(r"translate\('\n(.*?)'", text, re.DOTALL)
    assert re.findall(r"\w+", listed) == [str(event) for event in RecordedEvent]
