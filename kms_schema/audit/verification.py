"""Verify a trail from its content: every hash is made anew, and what is stored is only compared with.

Two walks in one snapshot. By sequence: entries as they are now against the leaves that were sealed; each page is a run
of consecutive sequences, so both come in the same order. By leaf: the leaves against the tree of each seal, the seals
against each other, their signatures, and checkpoints that were kept elsewhere.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from kms_schema.audit.checkpoints import Checkpoint
from kms_schema.audit.encoding import identity, leaf_hash, sequence_of
from kms_schema.audit.kept import KeptSeal
from kms_schema.audit.keys import VerifierKey
from kms_schema.audit.merkle import CompactRange
from kms_schema.audit.seals import NO_SEAL
from kms_schema.audit.trail import SUBTREE_LEVELS, Page, Trail, TrailError

_PAGES = 256
"""Pages whose entries are read at a time: up to 65 536 entries."""
_SHOWN = 20
"""Faults that are listed; a trail that was cut has one for each entry."""

Progress = Callable[[str, int, int], None]
"""Is told what is verified, how much of it has been, and how much there is."""


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it was sealed: which entry it is, by sequence and id, or which seal, if it is one."""

    message: str
    sequence: int | None = None
    entry: str | None = None
    seal: int | None = None


@dataclass
class Verdict:
    """What a verification found."""

    entries: int = 0
    """Entries whose hash was made anew and is the sealed one."""
    unsealed: int = 0
    seals: int = 0
    unsigned: int = 0
    """Seals without a signature."""
    tree_size: int = 0
    checkpoints: int = 0
    """Checkpoints from elsewhere that the tree leads to."""
    faults: list[Fault] = field(default_factory=list)
    more_faults: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def add(self, fault: Fault) -> None:
        """Note a fault, by sequence, and count those that are too many to list."""
        if len(self.faults) < _SHOWN:
            self.faults.append(fault)
        else:
            self.more_faults += 1


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
    _Entries(trail, verdict, start, progress).walk()
    _Tree(trail, verdict, start, progress, checkpoints=checkpoints, trusted=trusted).walk()
    return verdict


def _start(trail: Trail, number: int, checkpoints: Sequence[Checkpoint]) -> KeptSeal:
    """Return the seal to start from."""
    start = trail.seal(number)
    if start is None:
        last = trail.last_seal()
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

    def __init__(self, trail: Trail, verdict: Verdict, start: KeptSeal | None, progress: Progress | None) -> None:
        self._trail, self._verdict, self._progress = trail, verdict, progress
        last = trail.last_seal()
        self._first_leaf = start.tree_size if start else 0
        # What came after a seal is above its last sequence, or was one of the gaps that it left open.
        self._after = min([start.last_sequence, *(gap.first - 1 for gap in start.open_gaps)]) if start else 0
        self._total = (last.tree_size if last else 0) - self._first_leaf
        self._last_sequence = last.last_sequence if last else 0
        self._open = last.open_gaps if last else ()

    def walk(self) -> None:
        after = self._after
        while pages := self._trail.pages_by_sequence(after, _PAGES):
            until = pages[-1].run.last
            self._compare(pages, self._trail.entries(after + 1, until))
            after = until
            if self._progress:
                self._progress("entries", self._verdict.entries, self._total)
        for entry in self._trail.entries(after + 1, None):
            self._not_sealed(entry)

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
        if sequence > self._last_sequence or any(gap.first <= sequence <= gap.last for gap in self._open):
            self._verdict.unsealed += 1
        else:
            self._fault(entry, "was never sealed, although later ones were: it was put in afterwards")

    def _fault(self, entry: bytes, what: str) -> None:
        entry_id, sequence = identity(entry)
        self._verdict.add(Fault(f"entry {entry_id} (sequence {sequence}) {what}", sequence, str(entry_id)))


class _Tree:
    """The walk by leaf: each seal is over the leaves up to it, follows the one before, and is signed as it must be."""

    def __init__(  # noqa: PLR0913  (each by its name)
        self,
        trail: Trail,
        verdict: Verdict,
        start: KeptSeal | None,
        progress: Progress | None,
        *,
        checkpoints: Sequence[Checkpoint],
        trusted: Sequence[VerifierKey],
    ) -> None:
        self._trail, self._verdict, self._progress = trail, verdict, progress
        self._awaited: dict[int, list[Checkpoint]] = {}
        for checkpoint in checkpoints:
            self._awaited.setdefault(checkpoint.size, []).append(checkpoint)
        self._keys = {str(key) for key in trusted} if trusted else None
        self._start = start
        self._tree = _tree_of(start)
        self._subtrees: dict[tuple[int, int], bytes] = {}
        self._pages = _pages_by_leaf(trail, self._tree.size)

    def walk(self) -> None:
        before: KeptSeal | None = None
        last = self._trail.last_seal()
        for seal in self._trail.seals():
            of_tree: list[str] = []
            if self._start is None or seal.number >= self._start.number:
                self._grow_to(seal)
                of_tree = list(self._of_tree(seal))
            for message in (*of_tree, *_of_chain(before, seal), *self._of_signature(before, seal)):
                self._verdict.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
            for checkpoint in self._awaited.pop(seal.tree_size, ()):
                self._hold_against(checkpoint, seal.origin)
            before = seal
            self._verdict.seals += 1
            if self._progress and last:
                self._progress("leaves", self._tree.size, last.tree_size)
        self._verdict.tree_size = self._tree.size
        self._left_over()

    def _grow_to(self, seal: KeptSeal) -> None:
        """Add the pages of a seal to the tree."""
        while self._tree.size < seal.tree_size and (page := next(self._pages, None)):
            if page.first_leaf != self._tree.size:
                message = f"the leaves from {self._tree.size} on are gone, or others are in their place"
                self._verdict.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
            for leaf in page.leaves:
                self._tree.append(leaf, self._note)

    def _note(self, level: int, position: int, subtree: bytes) -> None:
        if level in SUBTREE_LEVELS:
            self._subtrees[level, position] = subtree

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

    def _hold_against(self, checkpoint: Checkpoint, origin: str) -> None:
        if checkpoint.origin != origin:
            self._verdict.add(Fault(f"the checkpoint is of the trail {checkpoint.origin}, and this is {origin}"))
        elif checkpoint.root == self._tree.root():
            self._verdict.checkpoints += 1
        else:
            message = f"the checkpoint of {checkpoint.size} leaves has another root: what it is over was rewritten"
            self._verdict.add(Fault(message))

    def _left_over(self) -> None:
        """Note what nothing led to: checkpoints, pages after the last seal, and subtrees that are not the tree's."""
        for size in self._awaited:
            cut = "the trail was cut" if size > self._tree.size else "the trail was rewritten and sealed anew"
            message = f"a checkpoint is of {size} leaves, and no seal of the {self._verdict.seals} here is: {cut}"
            self._verdict.add(Fault(message))
        for page in self._pages:
            self._verdict.add(Fault(f"the leaves from {page.first_leaf} on belong to no seal"))
        begun = self._start.tree_size if self._start else 0
        for subtree in self._trail.subtrees():
            if subtree.position + 1 << subtree.level <= begun:
                continue
            if self._subtrees.pop((subtree.level, subtree.position), None) != subtree.hash:
                self._verdict.add(Fault(f"{_named(subtree.level, subtree.position)} is not that of the leaves"))
        for level, position in self._subtrees:
            self._verdict.add(Fault(f"{_named(level, position)} is gone"))


def _of_chain(before: KeptSeal | None, seal: KeptSeal) -> Iterator[str]:
    """Yield what keeps a seal from following the one before."""
    if seal.number != (before.number + 1 if before else 1):
        yield f"it comes after seal {before.number}" if before else "the seals before it are gone"
    try:
        if seal.previous_seal_hash != (before.seal().hash() if before else NO_SEAL):
            yield "it follows another seal than the one that is before it here"
    except ValueError as error:
        yield f"the seal before it cannot be read: {error}"
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


def _pages_by_leaf(trail: Trail, first: int) -> Iterator[Page]:
    while pages := trail.pages(first, _PAGES):
        yield from pages
        first = pages[-1].first_leaf + 1


def _named(level: int, position: int) -> str:
    return f"the hash that is kept of the {1 << level} leaves from {position << level} on"
