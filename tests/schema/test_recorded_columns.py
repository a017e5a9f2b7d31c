"""Every column is recorded, or `tools/recorded_columns.py` says why it is not: on both engines alike."""

import re

import pytest

from kms_schema.models import Base
from kms_schema.vocabulary import RecordedEvent
from support.views.view_fixture import newest
from tools.recorded_columns import CHANGES_WITH_ITS_STATUS, RECORDED

GUARD = "guard_key_audit_log_insert_event"


def recording(dialect: str, table: str, event: str) -> str:
    return newest(dialect, f"audit_{RECORDED[table].singular}_{event}_trigger").text


def expected(table: str) -> set[str]:
    columns = {column.name for column in Base.metadata.tables[table].columns}
    return columns - RECORDED[table].unrecorded


@pytest.mark.parametrize("event", ["insert", "update", "delete"])
@pytest.mark.parametrize("table", RECORDED)
def test_every_column_is_recorded_or_is_listed_on_postgresql(table: str, event: str) -> None:
    text = recording("postgresql", table, event)
    shown, named = (set(re.findall(r"\w+", each)) for each in re.findall(r"'\{(.*?)\}'", text, re.DOTALL))
    assert shown | named == expected(table)
    assert named == RECORDED[table].named


@pytest.mark.parametrize("event", ["insert", "update", "delete"])
@pytest.mark.parametrize("table", RECORDED)
def test_every_column_is_recorded_or_is_listed_on_sqlite(table: str, event: str) -> None:
    text = recording("sqlite", table, event)
    kinds = dict(re.findall(r"SELECT '(\w+)'(?: AS name)?, '(\w+)'(?: AS kind)?, (?:NULL|OLD|NEW)", text))
    assert kinds.keys() == expected(table)
    assert {column for column, kind in kinds.items() if kind == "named"} == RECORDED[table].named


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
@pytest.mark.parametrize("table", RECORDED)
def test_an_update_is_looked_at_wherever_a_recorded_column_changes(table: str, dialect: str) -> None:
    text = recording(dialect, table, "update")
    condition = text[text.index("WHEN") : text.index("EXECUTE" if dialect == "postgresql" else "BEGIN")]
    if dialect == "postgresql":  # so that other statements do not even come to the condition
        of = text[text.index("UPDATE OF") + 9 : text.index("ON {schema}")]
        assert set(re.findall(r"\w+", of)) == expected(table) - CHANGES_WITH_ITS_STATUS
    looked_at = set(re.findall(r'OLD\."?(\w+)"? IS (?:DISTINCT FROM|NOT) NEW', condition))
    assert looked_at == expected(table) - CHANGES_WITH_ITS_STATUS


def test_the_guard_trigger_has_every_event() -> None:
    text = newest("postgresql", GUARD).text
    (listed,) = re.findall(r"translate\('\n(.*?)'", text, re.DOTALL)
    assert re.findall(r"\w+", listed) == [str(event) for event in RecordedEvent]
