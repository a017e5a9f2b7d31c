"""Something that happens at one moment of a migration: just before a statement of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

LOCKING = "DO $$\nDECLARE\n    relations"
"""How the statement begins that locks the tables of a revision."""


@contextmanager
def before_statement(beginning: str, do: Callable[[], object], *, after: str = "") -> Iterator[None]:
    """Do something once, just before the first statement that begins so is executed, and comes after another one."""
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
