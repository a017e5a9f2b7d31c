"""The built-in objects of PostgreSQL that the package relies on: which of them no server has so.

A superuser can replace them, and every rule that calls one accepts what the replacement says.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from kms_schema.validator.checks.posture import Observed

FILE = Path(__file__).parent / "builtins.txt"
"""The supported versions, as `version:major`, and their objects, as `key:digest`; `tools/builtins.py` writes it."""
CODE = "builtin"
"""The code of the rows of `posture_builtins.sql` that have a digest and a key in place of an observed value."""


def keys() -> list[str]:
    """Return the numbers of the functions, and the names of the views."""
    return sorted({entry.partition(":")[0] for entry in _usual()})


def numbers() -> str:
    """Return the numbers of the functions as an array of PostgreSQL's."""
    return f"{{{','.join(key for key in keys() if key.isdigit())}}}"


def without_usual(rows: Iterable[Observed], major: int) -> Iterator[Observed]:
    """Yield the rows of the posture; of built-in objects only changed ones, if the version of the server is known.

    They are compared here, since a built-in operator that was replaced could say of itself that it was not.
    """
    for code, about, observed, more in rows:
        if code != CODE:
            yield code, about, observed, more
        elif f"version:{major}" in _usual() and f"{more}:{observed}" not in _usual():
            yield "KMS445", about, "another definition", None


@cache
def _usual() -> frozenset[str]:
    return frozenset(FILE.read_text("utf-8").split())
