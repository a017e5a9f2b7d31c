"""docs/copies.md: its statements, and the tests that it names."""

import re

from tests.engines.programs import REPOSITORY

PAGE = (REPOSITORY / "docs" / "copies.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """Return the statements that stand under `<!-- run: NAME -->`."""
    (found,) = re.findall(rf"^<!-- run: {re.escape(name)} -->\n```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert isinstance(found, str)
    return found
