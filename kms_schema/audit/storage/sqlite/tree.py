"""The Merkle tree of a trail in SQLite."""

from collections.abc import Iterator

from kms_schema.audit.storage.records import Page, Subtree
from kms_schema.audit.storage.sqlite.session import Session


class SqliteTree:
    """Reads `key_audit_leaves` and `key_audit_subtrees`: `TreeReader`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._cursor = session.cursor

    def pages(self, after_leaf: int, count: int) -> list[Page]:
        """Return pages in the order of the tree."""
        return self._next_pages("first_leaf", "first_leaf >= ?", after_leaf, count)

    def pages_by_sequence(self, after: int, count: int) -> list[Page]:
        """Return pages by sequence."""
        return self._next_pages("first_sequence", "first_sequence > ?", after, count)

    def page_of_sequence(self, sequence: int) -> Page | None:
        """Return the page of an entry."""
        pages = self._pages("first_sequence <= ? ORDER BY first_sequence DESC LIMIT 1", (sequence,))
        return pages[0] if pages and sequence <= pages[0].run.last else None

    def pages_over(self, first_leaf: int, last_leaf: int) -> list[Page]:
        """Return the pages of some leaves."""
        begin = "SELECT max(first_leaf) FROM main.key_audit_leaves WHERE first_leaf <= ?"
        return self._pages(f"first_leaf BETWEEN ({begin}) AND ? ORDER BY first_leaf", (first_leaf, last_leaf))

    def subtrees(self, level: int) -> Iterator[Subtree]:
        """Yield the stored subtrees of a level, one query each: the cursor is free for others in between."""
        position = -1
        query = (
            "SELECT level, position, hash FROM main.key_audit_subtrees"
            " WHERE level = ? AND position > ? AND typeof(position) = 'integer' ORDER BY position LIMIT 1"
        )
        while row := self._cursor.execute(query, (level, position)).fetchone():
            yield Subtree(*row)
            position = row[1]

    def subtrees_at(self, level: int, first: int, last: int) -> list[Subtree]:
        """Return stored subtrees of a level."""
        query = (
            "SELECT level, position, hash FROM main.key_audit_subtrees"
            " WHERE level = ? AND position BETWEEN ? AND ? ORDER BY position"
        )
        return [Subtree(*row) for row in self._cursor.execute(query, (level, first, last))]

    def is_cut(self, leaf_count: int, last_sequence: int) -> bool:
        """Return whether the leaves end with their highest sequence."""
        ((found,),) = self._cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM main.key_audit_leaves WHERE first_leaf + length(hashes) / 32 = ?1"
            " AND first_sequence + length(hashes) / 32 - 1 = ?2) AND NOT EXISTS"
            " (SELECT 1 FROM main.key_audit_leaves WHERE first_leaf < ?1 AND first_sequence > ?2)",
            (leaf_count, last_sequence),
        )
        return bool(found)

    def count_leaves(self, first_leaf: int, until: int) -> int:
        """Return the number of leaves from one on, up to a sequence."""
        ((found,),) = self._cursor.execute(
            "SELECT coalesce(sum(length(hashes) / 32), 0) FROM main.key_audit_leaves"
            " WHERE first_leaf >= ? AND first_sequence <= ?",
            (first_leaf, until),
        )
        return int(found)

    def last_cut(self, until_leaf: int) -> tuple[int, int] | None:
        """Return the end of the page with the highest sequence; the index is read down to it."""
        row = self._cursor.execute(
            "SELECT first_leaf + length(hashes) / 32, first_sequence + length(hashes) / 32 - 1"
            " FROM main.key_audit_leaves WHERE first_leaf < ? ORDER BY first_sequence DESC LIMIT 1",
            (until_leaf,),
        ).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def _next_pages(self, order: str, condition: str, least: int, count: int) -> list[Page]:
        return self._pages(f"{condition} AND typeof({order}) = 'integer' ORDER BY {order} LIMIT ?", (least, count))

    def _pages(self, condition: str, values: tuple[int, ...]) -> list[Page]:
        query = f"SELECT first_leaf, first_sequence, hashes FROM main.key_audit_leaves WHERE {condition}"
        return [Page(*row) for row in self._cursor.execute(query, values)]
