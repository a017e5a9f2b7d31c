"""Verifies the entries by sequence: each one is the entry that was sealed at its place, and none was left out."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from kms_schema.audit.formats.checkpoints import LARGEST
from kms_schema.audit.formats.encoding import (
    Bytes,
    EncodingError,
    Misencoded,
    Unreadable,
    hashes_of,
    identity,
    leaf_hash,
    sequence_of,
)
from kms_schema.audit.storage.records import Page
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot
from kms_schema.audit.verification.result import Fault, Tell, VerificationResult

PAGES = 256
"""Pages that are read at a time, and their entries: up to 65 536."""


class EntryVerification:
    """Compares entries with the sealed leaves; it begins with the entries above `after`."""

    def __init__(
        self,
        snapshot: Snapshot,
        result: VerificationResult,
        start: StoredSeal | None,
        last: StoredSeal | None,
        tell: Tell,
    ) -> None:
        """Begin after the seal `start`, or with the first entry; `last` is the newest seal."""
        self._snapshot, self._result, self._tell = snapshot, result, tell
        self._entries = snapshot.entries
        self._first_leaf = start.tree_size if start else 0
        # An entry that was sealed after a seal is above its last sequence, or in one of its open gaps.
        self.after: int = min([start.last_sequence, *(gap.first - 1 for gap in start.open_gaps)]) if start else 0
        self.begin: int = self.after
        """The entries above it are in the result, also if none is left up to `after`."""
        self._removed_leaves = 0
        self.removed: int = 0
        """How many entries before that were removed under a tombstone."""
        self._removed_until = self._end_of_removed()
        if self._removed_until > self.after and self._all_removed():
            self.after = self._removed_until
            self.removed = max(self._removed_leaves - self._first_leaf, 0)
        self._last_sequence = last.last_sequence if last else 0
        self._open = last.open_gaps if last else ()
        # An entry without a leaf is counted if it comes in order: once, and where the index is asked for it.
        self._previous, self._bound = self.after, LARGEST

    def _end_of_removed(self) -> int:
        """Return the last sequence of the newest tombstone; the verification of the leaves checks its seal."""
        try:
            tombstone = self._snapshot.tombstones.newest()
        except EncodingError:
            return 0
        if tombstone is None or not self._snapshot.tree.is_cut(tombstone.leaf_count, tombstone.last_sequence):
            return 0
        self._removed_leaves = tombstone.leaf_count
        return tombstone.last_sequence

    def _all_removed(self) -> bool:
        """Return whether no entry is left up to the end of the removed, and none was sealed later that has to be."""
        late = self._snapshot.tree.count_leaves(self._removed_leaves, self._removed_until)
        return not late and not self._entries.exist(self._removed_until)

    def verify(self, after: int, until: int = LARGEST) -> int:
        """Add to the result every fault of the entries above `after` and up to `until`.

        Returns the sequence to continue with: the one after `until`, unless the last page has later entries.
        """
        first = after + 1
        self._previous = after
        tree = self._snapshot.tree
        while found := [each for each in tree.pages_by_sequence(after, PAGES) if each.first_sequence <= until]:
            after = found[-1].first_sequence
            pages = list(self._in_order(first, found))
            if pages:
                last = self._bound = min(pages[-1].run.last, LARGEST)
                if any(map(self._is_removed, pages)):
                    self._compare_whole(pages, self._entries.read(first, last))
                else:
                    self._compare(pages, self._entries.pieces(first, last))
                first = last + 1
            self._tell("entries", self._result.entries)
        if first <= until:
            self._bound = until
            self._compare_whole((), self._entries.read(first, until))
        return max(first, until + 1)

    def _in_order(self, first: int, pages: Sequence[Page]) -> Iterator[Page]:
        """Leave out pages that overlap others, and invalid pages, which the verification of the leaves reports."""
        for page in pages:
            if not page.whole:
                continue
            if page.first_sequence < first:
                message = f"the leaves from {page.first_leaf} on are for sequences that have other leaves"
                self._result.add(Fault(message))
                continue
            first = page.run.last + 1
            yield page

    def _compare(self, pages: Sequence[Page], pieces: Iterator[Bytes]) -> None:
        """Compare entries with the leaves of pages; both ascend by sequence.

        Pieces with the sealed hashes are the sealed entries to the byte, whose lengths were read when they were sealed.
        The hash covers the sequence, so none is missing between them. Any other piece, and the entries without a leaf,
        are read to their last length.
        """
        for position, page in enumerate(pages):
            begun = list(islice(pieces, page.size))
            if hashes_of(begun) == page.hashes:
                self._count_page(page, begun)
            else:
                self._compare_whole(pages[position:], self._entries.whole(chain(begun, pieces)))
                return
        self._compare_whole((), self._entries.whole(pieces))

    def _compare_whole(self, pages: Sequence[Page], entries: Iterator[bytes]) -> None:
        """Compare whole entries with the leaves of pages."""
        for page in pages:
            if self._is_removed(page):
                entries, gone = self._without_removed(page, entries)
                if gone:
                    continue
            begun = list(islice(entries, page.size))
            if hashes_of(begun) == page.hashes:
                self._count_page(page, begun)
            else:
                entries = self._compare_each(page, chain(begun, entries))
        for entry in entries:
            self._not_sealed(entry)

    def _is_removed(self, page: Page) -> bool:
        """Return whether a tombstone covers a page: its entries may be gone, but one that is there is compared."""
        return page.first_leaf < self._removed_leaves

    def _without_removed(self, page: Page, entries: Iterator[bytes]) -> tuple[Iterator[bytes], bool]:
        """Return the entries from a page on that a tombstone covers, and whether all entries of the page are gone."""
        entry = next(entries, None)
        while entry is not None and sequence_of(entry) < page.first_sequence:
            self._not_sealed(entry)
            entry = next(entries, None)
        gone = entry is None or sequence_of(entry) > page.run.last
        if gone:
            self._count_removed(page, page.size)
        return entries if entry is None else chain([entry], entries), gone

    def _count_removed(self, page: Page, count: int) -> None:
        if page.first_leaf >= self._first_leaf:
            self._result.removed += count

    def _compare_each(self, page: Page, entries: Iterator[bytes]) -> Iterator[bytes]:
        """Compare entries with the leaves of one page, and return the entries after it."""
        entry = next(entries, None)
        for position, leaf in enumerate(page.leaves):
            sequence = page.first_sequence + position
            while entry is not None and sequence_of(entry) < sequence:
                self._not_sealed(entry)
                entry = next(entries, None)
            if entry is None or sequence_of(entry) != sequence:
                self._missing(page, sequence)
                continue
            if leaf_hash(entry) == leaf:
                self._count_page(page, [entry])
            else:
                self._result.read += 1
                self._fault(entry, "is not what was sealed: it was changed afterwards")
            entry = next(entries, None)
        return entries if entry is None else chain([entry], entries)

    def _count_page(self, page: Page, entries: Sequence[Bytes]) -> None:
        """Count entries that are unchanged since they were sealed."""
        self._result.read += len(entries)
        if page.first_leaf >= self._first_leaf:
            self._result.entries += len(entries)
        for entry in entries:
            if type(entry) is Misencoded:
                self._fault(entry, "has a text that is not UTF-8: it was written past the guard triggers")

    def _missing(self, page: Page, sequence: int) -> None:
        if self._is_removed(page):
            self._count_removed(page, 1)
            return
        message = f"the entry with sequence {sequence} was sealed and is gone, or is hidden from this role"
        self._result.add(Fault(message, sequence))

    def _not_sealed(self, entry: bytes) -> None:
        sequence = sequence_of(entry)
        self._result.read += 1
        ascending = self._previous < sequence <= self._bound
        self._previous = max(self._previous, sequence)
        if isinstance(entry, Unreadable):
            self._fault(entry, "")
        elif not ascending:
            self._fault(entry, "is read at the place of another: the index of the sequences is damaged or forged")
        elif sequence > self._last_sequence or any(gap.first <= sequence <= gap.last for gap in self._open):
            self._result.unsealed += 1
        else:
            self._fault(entry, "was never sealed, although later ones were: it was inserted afterwards")

    def _fault(self, entry: bytes, what: str) -> None:
        entry_id, sequence = identity(entry)
        if isinstance(entry, Unreadable):
            message = f"the entry with sequence {sequence} cannot be read: {entry.why}"
            self._result.add(Fault(message, sequence, str(entry_id) if entry_id.int else None))
            return
        self._result.add(Fault(f"entry {entry_id} (sequence {sequence}) {what}", sequence, str(entry_id)))
