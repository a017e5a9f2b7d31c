"""Verify a trail from its content: every hash is made anew, and what is stored is only compared with.

Two walks in one snapshot. By sequence: entries as they are now against the leaves that were sealed; each page is a run
of consecutive sequences, so both come in the same order. By leaf: the leaves against the tree of each seal, the seals
against each other, their signatures, and checkpoints that were kept elsewhere.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

from kms_schema.audit.checkpoints import LARGEST, Checkpoint
from kms_schema.audit.encoding import Unreadable, identity, leaf_hash, sequence_of
from kms_schema.audit.kept import KeptSeal
from kms_schema.audit.keys import VerifierKey
from kms_schema.audit.merkle import CompactRange
from kms_schema.audit.seals import NO_SEAL, SealError
from kms_schema.audit.trail import SUBTREE_LEVELS, Page, Subtree, Trail, TrailError
from kms_schema.audit.verdict import Fault, Progress, Verdict

__all__ = ["Fault", "Progress", "Verdict", "verify"]

_PAGES = 256
"""Pages whose entries are read at a time: up to 65 536 entries."""

_Tell = Callable[[str, int], None]


def verify(
    trail: Trail,
    *,
    checkpoints: Sequence[Checkpoint] = (),
    trusted: Sequence[VerifierKey] = (),
    since: int | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Verify the trail behind one snapshot, and return everything that is wrong with it.

    `checkpoints` were kept elsewhere: the tree must lead to each. With `trusted` verifier keys, every seal must be
    signed by one of them, or by a key that such a seal announces. `since` is the number of a seal: the tree goes on
    from what that seal says of it, and entries sealed up to then are not looked at; chain and signatures are, of all
    seals. Memory does not grow with the trail. Raises `TrailError` where there is no such seal, or a checkpoint is
    older than it.
    """
    verdict = Verdict()
    start = None if since is None else _start(trail, since, checkpoints)
    for table, count in trail.strays():
        verdict.add(Fault(f"{table} has rows without a number that is in order: {count}"))
    try:
        last = trail.last_seal()
    except SealError:
        last = None  # the walk by leaf says so
    total = last.tree_size if last else 0

    def tell(what: str, count: int) -> None:
        if progress:
            progress(what, count, total)

    _Entries(trail, verdict, start, last, tell).walk()
    _Tree(trail, verdict, start, tell, checkpoints=checkpoints, trusted=trusted).walk()
    return verdict


def _start(trail: Trail, number: int, checkpoints: Sequence[Checkpoint]) -> KeptSeal:
    """Return the seal to start from."""
    try:
        start = trail.seal(number)
        last = trail.last_seal()
    except SealError as error:
        raise TrailError(f"nothing can start from a seal that cannot be read: {error}") from None
    if start is None:
        raise TrailError(f"there is no seal {number}: {f'the last is {last.number}' if last else 'nothing is sealed'}")
    for checkpoint in checkpoints:
        if checkpoint.size < start.tree_size:
            raise TrailError(
                f"the checkpoint of {checkpoint.size} leaves is older than seal {number}, which is over"
                f" {start.tree_size}: start from an older seal, or leave --since out"
            )
    return start


class _Entries:
    """The walk by sequence: each entry is the one that was sealed at its place, and none was left out."""

    def __init__(
        self, trail: Trail, verdict: Verdict, start: KeptSeal | None, last: KeptSeal | None, tell: _Tell
    ) -> None:
        self._trail, self._verdict, self._tell = trail, verdict, tell
        self._first_leaf = start.tree_size if start else 0
        # What came after a seal is above its last sequence, or was one of the gaps that it left open.
        self._after = min([start.last_sequence, *(gap.first - 1 for gap in start.open_gaps)]) if start else 0
        self._last_sequence = last.last_sequence if last else 0
        self._open = last.open_gaps if last else ()

    def walk(self) -> None:
        after = self._after
        first = after + 1
        while found := self._trail.pages_by_sequence(after, _PAGES):
            after = found[-1].first_sequence
            pages = list(self._in_order(first, found))
            if pages:
                until = min(pages[-1].run.last, LARGEST)
                self._compare(pages, self._trail.entries(first, until))
                first = until + 1
            self._tell("entries", self._verdict.entries)
        for entry in self._trail.entries(first, None) if first <= LARGEST else ():
            self._not_sealed(entry)

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

    def _compare(self, pages: Sequence[Page], entries: Iterator[bytes]) -> None:
        """Hold entries against the leaves of pages; both ascend by sequence."""
        for page in pages:
            begun = list(islice(entries, page.size))
            # The sequence is part of what is hashed: equal hashes are of the right entries, with none between them.
            if b"".join(map(leaf_hash, begun)) == page.hashes:
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


class _Tree:
    """The walk by leaf: each seal is over the leaves up to it, follows the one before, and is signed as it must be."""

    def __init__(  # noqa: PLR0913  (each by its name)
        self,
        trail: Trail,
        verdict: Verdict,
        start: KeptSeal | None,
        tell: _Tell,
        *,
        checkpoints: Sequence[Checkpoint],
        trusted: Sequence[VerifierKey],
    ) -> None:
        self._trail, self._verdict, self._tell = trail, verdict, tell
        self._awaited: dict[int, list[Checkpoint]] = {}
        for checkpoint in checkpoints:
            self._awaited.setdefault(checkpoint.size, []).append(checkpoint)
        self._keys = {str(key) for key in trusted} if trusted else None
        self._start = start
        self._tree = _tree_of(start)
        begun = self._tree.size
        self._subtrees = {level: _Subtrees(_completed_after(trail, level, begun), verdict) for level in SUBTREE_LEVELS}
        self._pages = _pages_by_leaf(trail, begun)

    def walk(self) -> None:
        before: KeptSeal | None = None
        readable = True
        for row in self._trail.seal_rows():
            self._verdict.seals += 1
            follows = readable
            try:
                seal = KeptSeal.from_row(row)
                readable = True
            except SealError as error:
                self._verdict.add(Fault(str(error), seal=row[0]))
                readable = False
                continue
            of_tree: tuple[str, ...] = ()
            if self._start is None or seal.number >= self._start.number:
                self._grow_to(seal)
                of_tree = tuple(self._of_tree(seal))
            of_chain = _of_chain(before, seal) if follows else ()
            for message in (*of_tree, *of_chain, *self._of_signature(before, seal)):
                self._verdict.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
            for checkpoint in self._awaited.pop(seal.tree_size, ()):
                self._hold_against(checkpoint, seal)
            before = seal
            self._tell("leaves", self._tree.size)
        self._verdict.tree_size = self._tree.size
        self._left_over()

    def _grow_to(self, seal: KeptSeal) -> None:
        """Add the pages of a seal to the tree."""
        while self._tree.size < seal.tree_size and (page := next(self._pages, None)):
            if not page.whole:
                message = f"the leaves from {page.first_leaf} on cannot be read"
                self._verdict.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
                continue
            if page.first_leaf != self._tree.size:
                message = f"the leaves from {self._tree.size} on are gone, or others are in their place"
                self._verdict.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
            for leaf in page.leaves:
                self._tree.append(leaf, self._note)

    def _note(self, level: int, position: int, subtree: bytes) -> None:
        if level in self._subtrees:
            self._subtrees[level].compare(Subtree(level, position, subtree))

    def _of_tree(self, seal: KeptSeal) -> Iterator[str]:
        if self._tree.size != seal.tree_size:
            yield f"it is over {seal.tree_size} leaves, and there are {self._tree.size} up to its last"
        elif self._tree.root() != seal.root_hash:
            yield "its root is not that of the leaves: they were changed, or it was"
        elif b"".join(self._tree.hashes) != seal.compact_range:
            yield "its compact range is not that of its tree"

    def _of_signature(self, before: KeptSeal | None, seal: KeptSeal) -> Iterator[str]:
        try:
            seal.check_signature()
        except ValueError as error:
            yield str(error)
            return
        if seal.verifier_key is None:
            self._verdict.unsigned += 1
            if self._keys is not None or (before is not None and before.verifier_key is not None):
                yield "it is not signed"
            return
        if before is not None and before.leads_to not in {None, seal.verifier_key}:
            yield f"it is signed by {seal.verifier_key}, and the one before leads to {before.leads_to}"
        elif self._keys is not None and seal.verifier_key not in self._keys:
            yield f"it is signed by {seal.verifier_key}, which is not trusted, nor announced by a key that is"
        elif self._keys is not None and seal.next_key is not None:
            self._keys.add(seal.next_key)

    def _hold_against(self, checkpoint: Checkpoint, seal: KeptSeal) -> None:
        if checkpoint.origin != seal.origin:
            message = f"the checkpoint is of the trail {checkpoint.origin}, and this is {seal.origin}"
            self._verdict.add(Fault(message, seal=seal.number))
        elif checkpoint.root != self._tree.root():
            message = f"the checkpoint of {checkpoint.size} leaves has another root: what it is over was rewritten"
            self._verdict.add(Fault(message, seal=seal.number))
        elif checkpoint.extensions and checkpoint.text() != seal.seal().text():
            message = f"the checkpoint of {checkpoint.size} leaves is of another seal over the same: it was rewritten"
            self._verdict.add(Fault(message, seal=seal.number))
        else:
            self._verdict.checkpoints += 1

    def _left_over(self) -> None:
        """Note what nothing led to: checkpoints, pages after the last seal, and subtrees that are not the tree's."""
        for size in self._awaited:
            cut = "the trail was cut" if size > self._tree.size else "the trail was rewritten and sealed anew"
            message = f"a checkpoint is of {size} leaves, and no seal of the {self._verdict.seals} here is: {cut}"
            self._verdict.add(Fault(message))
        for page in self._pages:
            self._verdict.add(Fault(f"the leaves from {page.first_leaf} on belong to no seal"))
        for subtrees in self._subtrees.values():
            subtrees.end()


class _Subtrees:
    """The hashes that are kept of one level, held against those of the tree as these come."""

    def __init__(self, kept: Iterator[Subtree], verdict: Verdict) -> None:
        self._kept, self._verdict = kept, verdict
        self._next = next(kept, None)

    def compare(self, made: Subtree) -> None:
        """Hold the next hash of the level against what is kept."""
        if self._next is None or self._next.position != made.position:
            self._fault(made, "is gone")
            return
        if self._next.hash != made.hash:
            self._fault(made, "is not that of the leaves")
        self._next = next(self._kept, None)

    def end(self) -> None:
        """Note what is kept and not of the tree."""
        while self._next is not None:
            self._fault(self._next, "is not that of the leaves")
            self._next = next(self._kept, None)

    def _fault(self, subtree: Subtree, what: str) -> None:
        named = f"the hash that is kept of the {1 << subtree.level} leaves from {subtree.position << subtree.level} on"
        self._verdict.add(Fault(f"{named} {what}"))


def _of_chain(before: KeptSeal | None, seal: KeptSeal) -> Iterator[str]:
    """Yield what keeps a seal from following the one before."""
    if seal.number != (before.number + 1 if before else 1):
        yield f"it comes after seal {before.number}" if before else "the seals before it are gone"
    if seal.previous_seal_hash != (before.seal().hash() if before else NO_SEAL):
        yield "it follows another seal than the one that is before it here"
    if before is not None and seal.origin != before.origin:
        yield f"it is of the trail {seal.origin}, and the one before of {before.origin}"


def _tree_of(seal: KeptSeal | None) -> CompactRange:
    """Return the tree that a seal says it is over, from its compact range."""
    if seal is None:
        return CompactRange()
    try:
        return CompactRange(seal.tree_size, seal.subtree_hashes)
    except ValueError as error:
        raise TrailError(f"nothing can start from seal {seal.number}: {error}") from None


def _completed_after(trail: Trail, level: int, leaves: int) -> Iterator[Subtree]:
    """Yield the kept subtrees of a level that a tree of so many leaves had not all leaves of."""
    return (subtree for subtree in trail.subtrees(level) if subtree.position + 1 << level > leaves)


def _pages_by_leaf(trail: Trail, first: int) -> Iterator[Page]:
    while first <= LARGEST and (pages := trail.pages(first, _PAGES)):
        yield from pages
        first = pages[-1].first_leaf + 1
