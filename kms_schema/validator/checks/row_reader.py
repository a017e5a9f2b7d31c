"""The reader that the checks of rows need."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called before each check: its object, its position from 0, and the number of checks."""

NEEDS = "--level data needs the owner of the tables, a member of that role, or a superuser"
"""The advice for a missing privilege: no role below the owner may read all columns and rows."""


class RowReader(Protocol):
    """A reader of one snapshot of the database; see `catalog`."""

    engine: str
    schema: str

    def rows(
        self, query: str, *, by_scan: bool = False, without: Sequence[str] = (), costly: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query; with `by_scan` it uses no index. Raises `UnreadableError`.

        On PostgreSQL it uses no plan of `without` (see `query_plans`), and avoids what has the cost named `costly`.
        """
        ...
