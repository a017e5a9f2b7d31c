"""Sentences are short: those of pages, of the validator's rules, of helps, of messages and of docstrings.

A sentence has at most 30 words, and of a page few have more than 25. Code counts as one word, and so does an
enumeration of names in code.
"""

from collections.abc import Callable, Iterable
from functools import cache

import pytest

from support import prose
from support.engines.programs import REPOSITORY

LONGEST = 30
LONG = 25
SHARE = 0.1
"""The part of the sentences of a text that may have more than `LONG` words."""
AVERAGE = 16
FEWEST = 20
"""A text with fewer sentences has no share."""

SOURCES: dict[str, Callable[[], Iterable[prose.Paragraph]]] = {
    **{
        str(page.relative_to(REPOSITORY)): lambda page=page: prose.of_page(page.read_text(encoding="utf-8"))
        for page in prose.PAGES
    },
    "rules": prose.of_rules,
    "helps": prose.of_helps,
    "messages": prose.of_messages,
    "docstrings": prose.of_docstrings,
}


def counted(paragraphs: Iterable[prose.Paragraph]) -> list[tuple[str, int, str]]:
    """Return the place, the number of words and the text of each sentence."""
    every = ((each.place, text) for each in paragraphs for text in prose.sentences(each.text))
    return [(place, prose.words(text), text) for place, text in every]


@cache
def counted_of(source: str) -> list[tuple[str, int, str]]:
    return counted(SOURCES[source]())


def too_long(counted: Iterable[tuple[str, int, str]]) -> list[str]:
    """Return the sentences that are longer than allowed, with their places."""
    return [f"{place}: {count} words: {text}" for place, count, text in counted if count > LONGEST]


@pytest.mark.parametrize("source", SOURCES)
def test_no_sentence_is_longer(source: str) -> None:
    found = too_long(counted_of(source))
    assert found == [], "split them:\n" + "\n".join(found)


@pytest.mark.parametrize("source", SOURCES)
def test_few_sentences_are_long(source: str) -> None:
    counts = [count for _, count, _ in counted_of(source) if count > 3]  # shorter ones are titles and cells of tables
    if len(counts) >= FEWEST:
        assert sum(count > LONG for count in counts) / len(counts) <= SHARE, f"of more than {LONG} words"
        assert sum(counts) / len(counts) <= AVERAGE, "words on average"


def test_a_long_sentence_is_found() -> None:
    page = f"# A title\n\nShort. Its {'word ' * 29}`code`,\n*word*. [Short](a.md).\n\n- {'word ' * 31}\n"
    page += f"\n```\n{'word ' * 99}\n```\n"
    page += f"\n| a | b |\n|---|---|\n| {'word ' * 20} | {'word ' * 20} |\n| {'word ' * 32} | short |\n"
    assert [each.rpartition(": ")[0] for each in too_long(counted(prose.of_page(page)))] == [
        "3: 32 words",
        "6: 31 words",
        "15: 32 words",
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Each of `a`, `b`, and `c` or `d`\nis one.", 5),
        ("See `kms-schema audit verify --help`.", 2),
        ("This - and that: one | two.", 5),
    ],
)
def test_code_and_enumerations_of_code_are_one_word(text: str, number: int) -> None:
    (paragraph,) = prose.of_page(text)
    assert [prose.words(each) for each in prose.sentences(paragraph.text)] == [number]


def test_sentences_end_at_full_stops_question_marks_and_exclamation_marks() -> None:
    text = 'One (of 1.5). "Two!" Three? `Four` does, e.g. this; that: it. 5 is more.'
    (paragraph,) = prose.of_page(text)
    assert len(prose.sentences(paragraph.text)) == 5


@pytest.mark.parametrize(
    ("source", "place"),
    [("rules", "KMS523 impact"), ("helps", "kms-schema audit append --event-type"), ("helps", "kms-schema keys")],
)
def test_texts_of_the_program_are_found(source: str, place: str) -> None:
    assert [each.text for each in SOURCES[source]() if each.place == place and each.text]


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("messages", "no version has the tag Code, or this login"),
        ("docstrings", "Run the program and return its exit status."),
    ],
)
def test_strings_of_the_program_are_found(source: str, part: str) -> None:
    assert any(part in each.text for each in SOURCES[source]())
