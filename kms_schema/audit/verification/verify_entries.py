"""The walk by sequence of a verification: each entry is the one that was sealed at its place."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

from kms_schema.audit.formats.checkpoints import LARGEST
from kms_schema.audit.formats.encoding import Bytes, Unreadable, hashes_of, identity, leaf_hash, sequence_of
from kms_schema.audit.formats.seals import SealError
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.trail import Page, Trail
from kms_schema.audit.verification.result import Fault, Verdict

PAGES = 256
"""Pages that are read at a time, and their entries: up to 65 536."""

Tell = Callable[[str, int], None]
"""Is told what is verified, and how much of it has been."""


class EntriesWalk:
    """The walk by sequence: each entry is the one that was sealed at its place, and none was left out.

    It begins with what is above `after`.
    """

    def __init__(
        self, trail: Trail, verdict: Verdict, start: StoredSeal | None, last: StoredSeal | None, tell: Tell
    ) -> None:
        """Begin after the seal `start`, or with the first entry; `last` is the newest seal."""
        self._trail, self._verdict, self._tell = trail, verdict, tell
        self._first_leaf = start.tree_size if start else 0
        # What came after a seal is above its last sequence, or was one of the gaps that it left open.
        self.after = min([start.last_sequence, *(gap.first - 1 for gap in start.open_gaps)]) if start else 0
        self._removed_leaves = self.removed = 0
        """How many entries before that a tombstone is for: all are gone, and no walk looks at them."""
        self._removed_until = self._end_of_removed()
        if self._removed_until > self.after and not trail.has_entries(self._removed_until):
            self.after = self._removed_until
            self.removed = max(self._removed_leaves - self._first_leaf, 0)
        self._last_sequence = last.last_sequence if last else 0
        self._open = last.open_gaps if last else ()

    def _end_of_removed(self) -> int:
        """Return the last sequence that a tombstone is for; whether its seal is one is for the walk by leaf to say."""
        try:
            tombstone = self._trail.tombstone()
        except SealError:
            return 0
        if tombstone is None or not self._trail.divides(tombstone.leaf_count, tombstone.last_sequence):
            return 0
        self._removed_leaves = tombstone.leaf_count
        return tombstone.last_sequence

    def walk(self, after: int, until: int = LARGEST) -> int:
        """Note in the verdict every entry above `after`, and up to `until`, that is not as it was sealed.

        Returns the sequence that the walk has to go on with: after `until`, unless a page there goes beyond it.
        """
        first = after + 1
        while found := [each for each in self._trail.pages_by_sequence(after, PAGES) if each.first_sequence <= until]:
            after = found[-1].first_sequence
            pages = list(self._in_order(first, found))
            if pages:
                last = min(pages[-1].run.last, LARGEST)
                self._compare(pages, self._trail.pieces(first, last))
                first = last + 1
            self._tell("entries", self._verdict.entries)
        if first <= until:
            self._compare_whole((), self._trail.entries(first, until))
        return max(first, until + 1)

    def _in_order(self, first: int, pages: Sequence[Page]) -> Iterator[Page]:
        """Leave out pages that cannot be read, of which the walk by leaf speaks, and those that are in another."""
        for page in pages:
            if not page.whole:
                continue
            if page.first_sequence < first:
                message = f"the leaves from {page.first_leaf} on are said to be of entries that have other leaves"
                self._verdict.add(Fault(message))
                continue
            first = page.run.last + 1
            yield page

    def _compare(self, pages: Sequence[Page], pieces: Iterator[Bytes]) -> None:
        """Hold entries against the leaves of pages; both ascend by sequence.

        Pieces that have the hashes that were sealed are, to the byte, the entries that were sealed, whose every length
        was read then; the sequence is part of what is hashed, so they are the right ones, with none between them. Any
        other piece, and whatever has no leaf, is looked at to its last length.
        """
        for position, page in enumerate(pages):
            begun = list(islice(pieces, page.size))
            if hashes_of(begun) == page.hashes:
                self._count(page, page.size)
            else:
                self._compare_whole(pages[position:], self._trail.whole(chain(begun, pieces)))
                return
        self._compare_whole((), self._trail.whole(pieces))

    def _compare_whole(self, pages: Sequence[Page], entries: Iterator[bytes]) -> None:
        """Hold whole entries against the leaves of pages."""
        for page in pages:
            begun = list(islice(entries, page.size))
            if hashes_of(begun) == page.hashes:
                self._count(page, page.size)
            else:
                entries = self._compare_each(page, chain(begun, entries))
        for entry in entries:
            self._not_sealed(entry)

    def _compare_each(self, page: Page, entries: Iterator[bytes]) -> Iterator[bytes]:
        """Hold entries against the leaves of one page, and return those that come after it."""
        entry = next(entries, None)
        for position, leaf in enumerate(page.leaves):
            sequence = page.first_sequence + position
            while entry is not None and sequence_of(entry) < sequence:
                self._not_sealed(entry)
                entry = next(entries, None)
            if entry is None or sequence_of(entry) != sequence:
                self._missing(sequence)
                continue
            if leaf_hash(entry) == leaf:
                self._count(page, 1)
            else:
                self._fault(entry, "is not what was sealed: it was changed afterwards")
            entry = next(entries, None)
        return entries if entry is None else chain([entry], entries)

    def _count(self, page: Page, entries: int) -> None:
        if page.first_leaf >= self._first_leaf:
            self._verdict.entries += entries

    def _missing(self, sequence: int) -> None:
        if sequence <= self._removed_until:
            self._verdict.removed += 1
            return
        message = f"the entry with sequence {sequence} was sealed and is gone, or is hidden from this role"
        self._verdict.add(Fault(message, sequence))

    def _not_sealed(self, entry: bytes) -> None:
        sequence = sequence_of(entry)
        if isinstance(entry, Unreadable):
            self._fault(entry, "")
        elif sequence > self._last_sequence or any(gap.first <= sequence <= gap.last for gap in self._open):
            self._verdict.unsealed += 1
        else:
            self._fault(entry, "was never sealed, although later ones were: it was put in afterwards")

    def _fault(self, entry: bytes, what: str) -> None:
        entry_id, sequence = identity(entry)
        if isinstance(entry, Unreadable):
            message = f"the entry with sequence {sequence} cannot be read: {entry.why}"
            self._verdict.add(Fault(message, sequence, str(entry_id) if entry_id.int else None))
            return
        self._verdict.add(Fault(f"entry {entry_id} (sequence {sequence}) {what}", sequence, str(entry_id)))
