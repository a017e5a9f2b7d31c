"""The walk by leaf of a verification: seals and checkpoints against the leaves, and seals against each other."""

from collections.abc import Iterator, Sequence

from kms_schema.audit.formats.checkpoints import LARGEST, Checkpoint
from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.formats.merkle import CompactRange
from kms_schema.audit.formats.seals import NO_SEAL, SealError, Tombstone
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.trail import SUBTREE_LEVELS, Page, Subtree, Trail, TrailError
from kms_schema.audit.verification.result import Fault, Verdict
from kms_schema.audit.verification.verify_entries import PAGES, Tell


class TreeWalk:
    """The walk by leaf: each seal is over the leaves up to it, follows the one before, and is signed as it must be."""

    def __init__(  # noqa: PLR0913  (each by its name)
        self,
        trail: Trail,
        verdict: Verdict,
        start: StoredSeal | None,
        tell: Tell,
        *,
        checkpoints: Sequence[Checkpoint],
        trusted: Sequence[VerifierKey],
    ) -> None:
        """Begin with the tree of the seal `start`, or with the empty one."""
        self._trail, self._verdict, self._tell = trail, verdict, tell
        self._awaited: dict[int, list[Checkpoint]] = {}
        for checkpoint in checkpoints:
            self._awaited.setdefault(checkpoint.size, []).append(checkpoint)
        self._keys = {str(key) for key in trusted} if trusted else None
        self._start = start
        self._tombstone: Tombstone | None = None
        self._tree = _tree_of(start)
        begun = self._tree.size
        self._subtrees = {level: _Subtrees(_completed_after(trail, level, begun), verdict) for level in SUBTREE_LEVELS}
        self._pages = _pages_by_leaf(trail, begun)

    def walk(self) -> None:
        """Note in the verdict every seal, leaf and checkpoint that does not go with the others."""
        before: StoredSeal | None = None
        readable = True
        for row in self._trail.seal_rows():
            self._verdict.seals += 1
            follows = readable
            try:
                seal = StoredSeal.from_row(row)
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
            for message in (*of_tree, *of_chain, *self._of_signature(before, seal), *self._of_tombstone(seal)):
                self._verdict.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
            for checkpoint in self._awaited.pop(seal.tree_size, ()):
                self._hold_against(checkpoint, seal)
            before = seal
            self._tell("leaves", self._tree.size)
        self._verdict.tree_size = self._tree.size
        self._left_over()

    def _grow_to(self, seal: StoredSeal) -> None:
        """Add the pages of a seal to the tree."""
        while self._tree.size < seal.tree_size and (page := next(self._pages, None)):
            if not page.whole:
                message = f"the leaves from {page.first_leaf} on cannot be read"
                self._verdict.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
                continue
            if page.first_leaf != self._tree.size:
                message = f"the leaves from {self._tree.size} on are gone, or others are in their place"
                self._verdict.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
            self._tree.extend(page.hashes, self._note, SUBTREE_LEVELS)

    def _note(self, level: int, position: int, subtree: bytes) -> None:
        self._subtrees[level].compare(Subtree(level, position, subtree))

    def _of_tree(self, seal: StoredSeal) -> Iterator[str]:
        if self._tree.size != seal.tree_size:
            yield f"it is over {seal.tree_size} leaves, and there are {self._tree.size} up to its last"
        elif self._tree.root() != seal.root_hash:
            yield "its root is not that of the leaves: they were changed, or it was"
        elif b"".join(self._tree.hashes) != seal.compact_range:
            yield "its compact range is not that of its tree"

    def _of_signature(self, before: StoredSeal | None, seal: StoredSeal) -> Iterator[str]:
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

    def _of_tombstone(self, seal: StoredSeal) -> Iterator[str]:
        tombstone = seal.tombstone
        if tombstone is None:
            return
        if seal.verifier_key is None:
            yield "it has a tombstone, and is not signed"
        if self._tombstone is not None and tombstone.leaf_count <= self._tombstone.leaf_count:
            yield "its tombstone is for no more than an earlier one"
        if not self._trail.divides(tombstone.leaf_count, tombstone.last_sequence):
            yield (
                f"its tombstone is for {tombstone.leaf_count} leaves, and these are not the entries up to sequence"
                f" {tombstone.last_sequence}"
            )
        self._tombstone = tombstone

    def _hold_against(self, checkpoint: Checkpoint, seal: StoredSeal) -> None:
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


def _of_chain(before: StoredSeal | None, seal: StoredSeal) -> Iterator[str]:
    """Yield what keeps a seal from following the one before."""
    if seal.number != (before.number + 1 if before else 1):
        yield f"it comes after seal {before.number}" if before else "the seals before it are gone"
    if seal.previous_seal_hash != (before.seal().hash() if before else NO_SEAL):
        yield "it follows another seal than the one that is before it here"
    if before is not None and seal.origin != before.origin:
        yield f"it is of the trail {seal.origin}, and the one before of {before.origin}"


def _tree_of(seal: StoredSeal | None) -> CompactRange:
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
    while first <= LARGEST and (pages := trail.pages(first, PAGES)):
        yield from pages
        first = pages[-1].first_leaf + 1
