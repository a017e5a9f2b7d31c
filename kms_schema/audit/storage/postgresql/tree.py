"""The Merkle tree of a trail in PostgreSQL."""

from collections.abc import Iterator

from kms_schema.audit.storage.postgresql.session import Session
from kms_schema.audit.storage.records import Page, Subtree

_BATCH = 1000


class PostgresqlTree:
    """Reads `key_audit_leaves` and `key_audit_subtrees`: `TreeReader`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._session = session
        self._leaves = f"ONLY {session.leaves}"

    def pages(self, after_leaf: int, count: int) -> list[Page]:
        """Return pages in the order of the tree."""
        return self._pages(f"first_leaf >= {after_leaf:d} ORDER BY first_leaf LIMIT {count:d}")

    def pages_by_sequence(self, after: int, count: int) -> list[Page]:
        """Return pages by sequence."""
        return self._pages(f"first_sequence > {after:d} ORDER BY first_sequence LIMIT {count:d}")

    def page_of_sequence(self, sequence: int) -> Page | None:
        """Return the page of an entry."""
        pages = self._pages(f"first_sequence <= {sequence:d} ORDER BY first_sequence DESC LIMIT 1")
        return pages[0] if pages and sequence <= pages[0].run.last else None

    def pages_over(self, first_leaf: int, last_leaf: int) -> list[Page]:
        """Return the pages of some leaves."""
        begin = f"SELECT max(first_leaf) FROM {self._leaves} WHERE first_leaf <= {first_leaf:d}"
        return self._pages(f"first_leaf BETWEEN ({begin}) AND {last_leaf:d} ORDER BY first_leaf")

    def subtrees(self, level: int) -> Iterator[Subtree]:
        """Yield the stored subtrees of a level, read in batches."""
        position = -1
        while found := self._subtrees(
            f"level = {level:d} AND position > {position:d} ORDER BY position LIMIT {_BATCH}"
        ):
            yield from found
            position = found[-1].position

    def subtrees_at(self, level: int, first: int, last: int) -> list[Subtree]:
        """Return stored subtrees of a level."""
        return self._subtrees(f"level = {level:d} AND position BETWEEN {first:d} AND {last:d} ORDER BY position")

    def is_cut(self, leaf_count: int, last_sequence: int) -> bool:
        """Return whether the leaves end with their highest sequence."""
        (found,) = self._session.row(
            f"SELECT EXISTS (SELECT FROM {self._leaves} WHERE first_leaf + length(hashes) / 32 = {leaf_count:d}"
            f" AND first_sequence + length(hashes) / 32 - 1 = {last_sequence:d})"
            f" AND NOT EXISTS (SELECT FROM {self._leaves}"
            f" WHERE first_leaf < {leaf_count:d} AND first_sequence > {last_sequence:d})"
        )
        return bool(found)

    def count_leaves(self, first_leaf: int, until: int) -> int:
        """Return the number of leaves from one on, up to a sequence."""
        (found,) = self._session.row(
            f"SELECT coalesce(sum(length(hashes) / 32), 0) FROM {self._leaves}"
            f" WHERE first_leaf >= {first_leaf:d} AND first_sequence <= {until:d}"
        )
        return int(found)

    def last_cut(self, until_leaf: int) -> tuple[int, int] | None:
        """Return the end of the page with the highest sequence; the index is read down to it."""
        rows = self._session.rows(
            "SELECT first_leaf + length(hashes) / 32, first_sequence + length(hashes) / 32 - 1"
            f" FROM {self._leaves} WHERE first_leaf < {until_leaf:d} ORDER BY first_sequence DESC LIMIT 1"
        )
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    def _pages(self, condition: str) -> list[Page]:
        query = f"SELECT first_leaf, first_sequence, hashes FROM {self._leaves} WHERE {condition}"
        return [Page(*row) for row in self._session.rows(query)]

    def _subtrees(self, condition: str) -> list[Subtree]:
        query = f"SELECT level, position, hash FROM ONLY {self._session.subtrees} WHERE {condition}"
        return [Subtree(*row) for row in self._session.rows(query)]
