"""The blocks of commands fit into a page of the site: a longer line would be cut, and be copied without its end."""

import re

from support.engines.programs import REPOSITORY
from tests.docs.readers import blocks_of

WIDEST = 88
"""The characters of a line that site/_static/site.css has room for."""
ON_ONE_LINE = re.compile(r"\\copy ")
"""A command of psql's, which has no continuation."""


def too_wide(text: str) -> list[str]:
    """Return the lines of a page's blocks for a shell that are too long."""
    lines = [line for block in blocks_of(text) if block.language == "sh" for line in block.text.splitlines()]
    return [line for line in lines if len(line) > WIDEST and not ON_ONE_LINE.match(line)]


def test_no_command_is_wider_than_a_page() -> None:
    pages = sorted((REPOSITORY / "docs").glob("*.md"))
    found = [(page.name, line) for page in pages for line in too_wide(page.read_text(encoding="utf-8"))]
    assert found == [], "break them with a backslash"


def test_a_wider_command_is_found() -> None:
    assert too_wide(f"```sh\n{'a' * 88}\n{'b' * 89}\n\\copy {'c' * 89}\n```\n```text\n{'d' * 89}\n```\n") == ["b" * 89]
