"""Comparison of the documentation with the code."""

import re

import pytest

from kms_schema.vocabulary import RecordedEvent
from support.engines.programs import REPOSITORY
from tools.documentation import PAGES, regenerate

SCHEMA = (REPOSITORY / "docs" / "schema.md").read_text(encoding="utf-8")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_the_generated_parts_are_current(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    assert regenerate(text) == text, "run: python -m tools.documentation"


def test_every_recorded_event_is_in_its_page() -> None:
    text = (REPOSITORY / "docs" / "recorded.md").read_text(encoding="utf-8")
    assert [event for event in RecordedEvent if f"| `{event}` |" not in text] == []


def test_a_page_has_the_schema_and_each_status_of_the_lifecycle() -> None:
    assert SCHEMA.count("<!-- generated: ") == 3
    assert "```mermaid\n" in SCHEMA
    assert "| `pending` | `active`, `revoked` | `created_at` |" in SCHEMA


def test_every_document_that_the_readme_points_to_is_there() -> None:
    pages = re.findall(r"\]\(([\w./]+\.md)", README)
    assert pages
    assert [page for page in pages if not (REPOSITORY / page).is_file()] == []


def test_every_rule_that_the_documents_name_is_in_the_sql() -> None:
    rules = (REPOSITORY / "docs" / "rules.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:ck|uq|fk|pk|guard|protect|prevent|validate|enforce|record)_[a-z0-9_]+)`", rules))
    sql = "\n".join(path.read_text(encoding="utf-8") for path in REPOSITORY.glob("kms_schema/sql/**/*.sql"))
    sql += "\n".join(path.read_text(encoding="utf-8") for path in REPOSITORY.glob("migrations/versions/*.py"))
    assert len(named) > 25
    assert sorted(name for name in named if name not in sql) == []
