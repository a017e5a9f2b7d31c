"""Names that programs outside the package may import."""

import ast
import re
from collections.abc import Iterator

from support.engines.programs import REPOSITORY
from support.import_graph import ROOT, modules

TEXTS = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
IMPORT = re.compile(rf"^\s*from ({ROOT}[.\w]*) import ((?:\([^)]*\))|.*)$", re.MULTILINE)
DOTTED = re.compile(rf"\b({ROOT}(?:\.\w+)+)\b")


def exported() -> Iterator[tuple[str, str]]:
    """Yield module and name of everything in an `__all__`."""
    for name, file in modules().items():
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and any(getattr(each, "id", None) == "__all__" for each in node.targets):
                yield from ((name, each.value) for each in ast.walk(node.value) if isinstance(each, ast.Constant))


def imported_in_texts() -> Iterator[tuple[str, str]]:
    """Yield module and name of everything that a page or the example application imports or names in full."""
    application = sorted((REPOSITORY / "tests" / "example_application").rglob("*.py"))
    for text in (file.read_text("utf-8") for file in (*TEXTS, *application)):
        for match in IMPORT.finditer(text):
            for name in re.findall(r"\w+(?= as |,|\)|\s*$|\s*#)", match[2].strip("() ")):
                yield match[1], name
        for match in DOTTED.finditer(text):
            module, _, name = match[1].rpartition(".")
            yield module, name
