"""The report as a page of HTML."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings

from kms_schema import render
from kms_schema.snapshots import chain
from kms_schema.validator import Report
from support.sample_reports import (
    COLUMN,
    DISABLED,
    EXTRA,
    HIDDEN,
    HOSTILE,
    MARKUP,
    TRIGGER,
    USUAL,
    finding,
    hostile,
    report,
    waived,
)
from tests.validator.texts import ANY_TEXT


class Page(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def shape(self) -> list[str]:
        return [tag for tag, _ in self.elements]


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    text = render(USUAL, "html")
    page = Page(text)
    assert text.isascii()
    assert {"script", "link", "img", "iframe", "object", "a"} & set(page.shape) == set()
    assert not re.search(r"https?://|url\(|@import|@font-face", text)
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
    assert "default-src 'none'" in next(
        attributes["content"] or ""
        for _, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )


def test_the_page_says_the_verdict_first_and_everything_a_person_wants() -> None:
    page = Page(render(USUAL, "html"))
    text = page.text[page.text.index("✗ Drift detected") :]
    parts = [
        "1 error, 1 warning; 1 waived", "kms at db.example:5432", "postgresql 18.1", chain()[-1],
        "2026-11-25 11:30:00 UTC", "Errors", TRIGGER, "ALWAYS", "DISABLED", DISABLED.remediation,
        "Warnings", "role kms", "Waived", "goes with TICKET-7", "Compared 5", COLUMN,
    ]  # fmt: skip
    positions = [text.index(part or "-") for part in parts]
    assert positions == sorted(positions)


@pytest.mark.parametrize(
    ("made", "answer"),
    [
        (report(), "✓ No drift"),
        (report(waived=(waived(EXTRA),)), "✓ No drift except waived findings"),
        (report(finding("KMS903", "waiver of KMS132")), "✗ No drift, but a waiver has expired"),
    ],
    ids=["clean", "waived", "expired"],
)
def test_the_page_answers_in_its_heading(made: Report, answer: str) -> None:
    text = render(made, "html")
    assert f"<h1>{answer}</h1>".encode("ascii", "xmlcharrefreplace").decode() in text


def test_no_name_becomes_a_part_of_the_page() -> None:
    """The same page with harmless names has the same elements, and the names are read as they were."""
    page = Page(render(hostile(), "html"))
    harmless = Page(render(hostile(HOSTILE.replace(MARKUP, "x" * len(MARKUP))), "html"))
    assert page.shape == harmless.shape
    assert page.text.count(MARKUP) >= 8


@given(ANY_TEXT)
@settings(deadline=None, max_examples=50)
def test_no_name_whatsoever_becomes_a_part_of_the_page(name: str) -> None:
    page = Page(render(hostile(f"i {name}"), "html"))
    assert {tag for tag, _ in page.elements} <= set(Page(render(hostile(), "html")).shape)


@pytest.mark.parametrize("hidden", [True, False])
def test_the_page_says_where_sql_holds_what_does_not_show(hidden: bool) -> None:
    fix = f"DROP INDEX x{HIDDEN if hidden else ''};"
    assert (
        "characters that are not visible" in render(report(finding("KMS132", "x", remediation=fix)), "html")
    ) == hidden
    assert (
        "characters that are not visible" in render(report(finding("KMS132", "x", remediation=fix)), "text")
    ) == hidden


def test_the_page_shows_long_text_as_a_difference() -> None:
    made = report(finding("KMS153", "function f()", "a\nb<i>\nc", "a\nB\nc"))
    assert "<del>-b&lt;i&gt;</del>\n<ins>+B</ins>" in render(made, "html")
