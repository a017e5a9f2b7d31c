"""No sentence of a page, of a rule, a help, a message or a docstring is so long that its reader has to begin again.

Code counts as one word, and so does an enumeration of names in code.
"""

from collections.abc import Iterable, Iterator

from support import prose
from support.engines.programs import REPOSITORY

ALARM = 45
"""A sentence with more words is split: one that had to be cut to fit would be worse than a long one."""


def too_long(paragraphs: Iterable[prose.Paragraph]) -> Iterator[str]:
    """Yield the sentences that are longer, with their places and numbers of words."""
    for paragraph in paragraphs:
        for text in prose.sentences(paragraph.text):
            if (count := prose.words(text)) > ALARM:
                yield f"{paragraph.place}: {count} words: {text}"


def test_no_sentence_is_longer() -> None:
    found = [
        f"{page.name}: {each}" for page in prose.PAGES for each in too_long(prose.of_page(page.read_text("utf-8")))
    ]
    for source in (prose.of_rules, prose.of_helps, prose.of_messages, prose.of_docstrings):
        found += too_long(source())
    assert found == [], "split them:\n" + "\n".join(found)


def test_a_long_sentence_is_found() -> None:
    page = f"# A title\n\nShort. Its {'word ' * 44}`code`,\n*word*. [Short](a.md).\n\n- {'word ' * 46}\n"
    page += f"\n```\n{'word ' * 99}\n```\n"
    page += f"\n| a | b |\n|---|---|\n| {'word ' * 30} | {'word ' * 30} |\n| {'word ' * 47} | short |\n"
    assert [each.rpartition(": ")[0] for each in too_long(prose.of_page(page))] == [
        "3: 47 words", "6: 46 words", "15: 47 words",
    ]  # fmt: skip
    assert all(any(source()) for source in (prose.of_rules, prose.of_helps, prose.of_messages, prose.of_docstrings))
    assert (REPOSITORY / "README.md") in prose.PAGES
