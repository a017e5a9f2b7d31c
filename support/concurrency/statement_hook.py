"""Runs code just before a chosen statement of a migration."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

LOCKING = "DO $$\nDECLARE\n    relations"
"""The beginning of the statement that locks the tables of a revision."""


@contextmanager
def statement_hook(beginning: str, do: Callable[[], object], *, after: str = "") -> Iterator[None]:
    """Call `do` once, before the first statement that starts with `beginning` and follows one that starts with
    `after`."""
    waiting, seen = [do], not after

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal seen
        if seen and statement.startswith(beginning) and waiting:
            waiting.pop()()
        seen = seen or statement.startswith(after)

    sa.event.listen(sa.Engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", listen)
    assert not waiting, f"no statement began with {beginning}"
