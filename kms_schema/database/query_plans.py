"""Which plans PostgreSQL may use for a query: one that compares an index with its table must read what it says."""

from collections.abc import Iterable

_ALL = (
    "enable_seqscan", "enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan", "enable_tidscan", "enable_sort",
    "enable_nestloop", "enable_hashjoin", "enable_mergejoin",
)  # fmt: skip

SCAN = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")
"""Not used by a query that reads a table without its indexes."""
LOOK_UP = (
    "enable_seqscan", "enable_indexonlyscan", "enable_bitmapscan", "enable_tidscan", "enable_hashjoin",
    "enable_mergejoin",
)  # fmt: skip
"""Not used by a query that looks up each row in an index, and reads the row that it finds."""
IN_ORDER_OF_INDEX = ("enable_seqscan", "enable_indexonlyscan", "enable_bitmapscan", "enable_sort")
"""Not used by a query that reads a table in the order of an index."""
BY_BITMAP = ("enable_seqscan", "enable_indexscan", "enable_indexonlyscan")
"""Not used by a query that reads a BRIN index."""


def settings(without: Iterable[str]) -> str:
    """Return the statement that disables plans for the transaction, and enables the others, whatever the role has set.

    without: the settings of PostgreSQL that are off, such as `SCAN`. Example::

        cursor.execute(settings(SCAN).encode())
    """
    disabled = frozenset(without)
    return "; ".join(f"SET LOCAL {name} = {'off' if name in disabled else 'on'}" for name in _ALL)
