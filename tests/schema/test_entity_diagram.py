"""The diagram has every table and foreign key of the models, in the grammar that Mermaid reads."""

import re
from collections import Counter

import pytest
import sqlalchemy as sa

from kms_schema.models import Base, KeyMaster, KeyRotation, KeyVersion
from tools.entity_diagram import entity_diagram

DIAGRAM = entity_diagram().splitlines()
TABLES = {name: table for name, table in Base.metadata.tables.items() if "only_on" not in table.info}

# Cardinalities in https://mermaid.js.org/syntax/entityRelationshipDiagram.html, each in one form.
WORD = r"[A-Za-z_]\w*"
ENTITY = re.compile(rf"    (?P<table>{WORD}) \{{")
ATTRIBUTE = re.compile(
    rf'        {WORD} (?P<column>{WORD})(?: (?P<marks>(?:PK|FK|UK)(?:, (?:PK|FK|UK))*))?(?: "[^"]*")?'
)
END = re.compile(r"    \}")
RELATIONSHIP = re.compile(
    rf"    (?P<referred>{WORD}) (?P<parent>\|\||\|o)--(?P<child>o\||o\{{) (?P<referring>{WORD})"
    r' : "(?P<columns>[\w, ]+)<br>(?P<action>[A-Z ]+)"'
)


def columns_by_table() -> dict[str, dict[str, str]]:
    """Return the marks of each column that the diagram shows, by table."""
    found: dict[str, dict[str, str]] = {}
    table = ""
    for line in DIAGRAM:
        if entity := ENTITY.fullmatch(line):
            table = entity["table"]
            found[table] = {}
        elif attribute := ATTRIBUTE.fullmatch(line):
            found[table][attribute["column"]] = attribute["marks"] or ""
    return found


def relationships() -> list[tuple[str, ...]]:
    return [match.groups() for line in DIAGRAM if (match := RELATIONSHIP.fullmatch(line))]


def test_every_line_is_one_that_mermaid_reads() -> None:
    directive, kind, *lines = DIAGRAM
    assert re.fullmatch(r"%%\{init: \{.*\}\}%%", directive)
    assert kind == "erDiagram"
    forms = (ENTITY, ATTRIBUTE, END, RELATIONSHIP)
    assert [line for line in lines if not any(form.fullmatch(line) for form in forms)] == []


def test_each_table_of_both_engines_is_in_it_once() -> None:
    entities = [match["table"] for line in DIAGRAM if (match := ENTITY.fullmatch(line))]
    assert sorted(entities) == sorted(TABLES)
    assert len(TABLES) == 14


def test_each_foreign_key_is_in_it_once() -> None:
    expected = Counter(
        (key.referred_table.name, key.table.name, ", ".join(key.column_keys), key.ondelete)
        for table in TABLES.values()
        for key in table.foreign_key_constraints
    )
    drawn = Counter((referred, child, columns, action) for referred, _, _, child, columns, action in relationships())
    assert drawn == expected
    assert drawn.total() == 9


@pytest.mark.parametrize("name", TABLES)
def test_keys_and_vocabularies_are_shown_and_marked(name: str) -> None:
    shown = columns_by_table()[name]
    table = TABLES[name]
    assert [column for column, marks in shown.items() if "PK" in marks] == [each.name for each in table.primary_key]
    assert {column for column, marks in shown.items() if "FK" in marks} == {
        each.parent.name for each in table.foreign_keys
    }
    assert {column.name for column in table.columns if isinstance(column.type, sa.Enum)} <= shown.keys()


def test_unique_keys_differ_by_the_number_of_columns() -> None:
    assert columns_by_table()[KeyMaster.__tablename__]["key_id"] == "UK"
    assert columns_by_table()[KeyVersion.__tablename__]["version_number"] == ""
    assert '        integer version_number "unique with key_id"' in DIAGRAM


def test_the_ends_of_a_line_show_the_cardinality() -> None:
    ends = {(child, columns): (parent, many) for _, parent, many, child, columns, _ in relationships()}
    rotations = KeyRotation.__tablename__
    assert ends[KeyVersion.__tablename__, "key_id"] == ("||", "o{")
    assert ends[rotations, "policy_id"] == ("|o", "o{")
    assert ends[rotations, "key_id, old_version"] == ("|o", "o{")
