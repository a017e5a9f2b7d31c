"""The templates of the SQL that follows from the models: see `derived_sql`."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

MARK = "-- Derived from the models by tools/derived_sql.py.\n"
"""The first line of a file that is written as a whole."""
TEMPLATES = Path(__file__).with_name("templates")


def wrapped(words: Sequence[str], width: int, *, between: str = ", ", indent: str = "    ") -> str:
    """Return words in indented lines of at most `width` characters, none of which is broken."""
    joined = between.join(word.replace(" ", "\0") for word in words)
    return textwrap.fill(joined, width, initial_indent=indent, subsequent_indent=indent).replace("\0", " ")


def filled(template: str, **values: object) -> str:
    """Return the text of a template with its places filled in; other braces are SQL."""
    text = (TEMPLATES / f"{template}.sql").read_text("utf-8")
    for place, value in values.items():
        text = text.replace(f"{{{place}}}", str(value))
    return text
