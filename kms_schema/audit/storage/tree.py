"""The Merkle tree of a trail, on both engines."""

from collections.abc import Iterator

from kms_schema.audit.storage.records import Page, Subtree
from kms_schema.audit.storage.session import Session

_BATCH = 1000


class Tree:
    """Reads `key_audit_leaves` and `key_audit_subtrees`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._session = session

    def pages(self, after_leaf: int, count: int) -> list[Page]:
        """Return the next pages in the order of the tree, at most `count`, from leaf `after_leaf` on."""
        return self._next_pages("first_leaf", f"first_leaf >= {after_leaf:d}", count)

    def pages_by_sequence(self, after: int, count: int) -> list[Page]:
        """Return the next pages by sequence, at most `count`, whose first is above `after`."""
        return self._next_pages("first_sequence", f"first_sequence > {after:d}", count)

    def page_of_sequence(self, sequence: int) -> Page | None:
        """Return the page of this sequence: the last that does not begin above it."""
        pages = self._pages(f"first_sequence <= {sequence:d} ORDER BY first_sequence DESC LIMIT 1")
        return pages[0] if pages and sequence <= pages[0].run.last else None

    def pages_over(self, first_leaf: int, last_leaf: int) -> list[Page]:
        """Return the pages that have leaves from `first_leaf` to `last_leaf`, in the order of the tree."""
        begin = f"SELECT max(first_leaf) FROM {self._session.leaves} WHERE first_leaf <= {first_leaf:d}"
        return self._pages(f"first_leaf BETWEEN ({begin}) AND {last_leaf:d} ORDER BY first_leaf")

    def subtrees(self, level: int) -> Iterator[Subtree]:
        """Yield the stored subtrees of a level, by position; other queries may run in between."""
        position = -1
        integer = self._session.if_integer("position")
        while found := self._subtrees(
            f"level = {level:d} AND position > {position:d}{integer} ORDER BY position LIMIT {_BATCH}"
        ):
            yield from found
            position = found[-1].position

    def subtrees_at(self, level: int, first: int, last: int) -> list[Subtree]:
        """Return the subtrees stored at a level, from position `first` to `last`, in their order."""
        return self._subtrees(f"level = {level:d} AND position BETWEEN {first:d} AND {last:d} ORDER BY position")

    def is_cut(self, leaf_count: int, last_sequence: int) -> bool:
        """Return whether the first `leaf_count` leaves end with a page and `last_sequence`, their highest sequence."""
        leaves = self._session.leaves
        (found,) = self._session.row(
            f"SELECT EXISTS (SELECT 1 FROM {leaves} WHERE first_leaf + length(hashes) / 32 = {leaf_count:d}"
            f" AND first_sequence + length(hashes) / 32 - 1 = {last_sequence:d})"
            f" AND NOT EXISTS (SELECT 1 FROM {leaves}"
            f" WHERE first_leaf < {leaf_count:d} AND first_sequence > {last_sequence:d})"
        )
        return bool(found)

    def count_leaves(self, first_leaf: int, until: int) -> int:
        """Return the number of leaves from `first_leaf` on in pages that do not begin above the sequence `until`."""
        (found,) = self._session.row(
            f"SELECT coalesce(sum(length(hashes) / 32), 0) FROM {self._session.leaves}"
            f" WHERE first_leaf >= {first_leaf:d} AND first_sequence <= {until:d}"
        )
        return int(found)

    def last_cut(self, until_leaf: int) -> tuple[int, int] | None:
        """Return the largest leaf count, with its last sequence, that `is_cut` accepts; no page is before `until_leaf`
        and after it. `until_leaf` begins a page, or ends the tree. None if there is no page before it.
        """
        # The end of the page with the highest sequence: the index is read down to it.
        rows = self._session.rows(
            "SELECT first_leaf + length(hashes) / 32, first_sequence + length(hashes) / 32 - 1"
            f" FROM {self._session.leaves} WHERE first_leaf < {until_leaf:d} ORDER BY first_sequence DESC LIMIT 1"
        )
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    def _next_pages(self, order: str, condition: str, count: int) -> list[Page]:
        return self._pages(f"{condition}{self._session.if_integer(order)} ORDER BY {order} LIMIT {count:d}")

    def _pages(self, condition: str) -> list[Page]:
        query = f"SELECT first_leaf, first_sequence, hashes FROM {self._session.leaves} WHERE {condition}"
        return [Page(*row) for row in self._session.rows(query)]

    def _subtrees(self, condition: str) -> list[Subtree]:
        query = f"SELECT level, position, hash FROM {self._session.subtrees} WHERE {condition}"
        return [Subtree(*row) for row in self._session.rows(query)]
