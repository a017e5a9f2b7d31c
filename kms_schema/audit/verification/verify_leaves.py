"""Verifies the leaves in the order of the tree: seals and checkpoints against the leaves, and seals in their order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kms_schema.audit.formats.checkpoints import LARGEST, Checkpoint
from kms_schema.audit.formats.encoding import EncodingError
from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.formats.merkle import CompactRange
from kms_schema.audit.formats.seals import NO_SEAL, Tombstone
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.records import SUBTREE_LEVELS, Page, Subtree
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot
from kms_schema.audit.storage.tree import Tree
from kms_schema.audit.verification.result import Fault, Tell, VerificationResult

PAGES = 256
"""Pages that are read at a time."""


@dataclass(frozen=True)
class Expected:
    """Evidence from outside the database, and the seal to start from."""

    start: StoredSeal | None = None
    """The tree of this seal is taken as given; None for the empty tree."""
    checkpoints: Sequence[Checkpoint] = ()
    trusted: Sequence[VerifierKey] = ()
    """Every seal must be signed by one of these keys, or by a key that such a seal announces; any key if empty."""


class LeafVerification:
    """Compares each seal with the leaves up to it and with the seal before, and verifies its signature."""

    def __init__(self, snapshot: Snapshot, result: VerificationResult, expected: Expected, tell: Tell) -> None:
        """Begin with the tree of the seal `expected.start`, or with the empty one."""
        self._snapshot, self._result, self._tell = snapshot, result, tell
        self._awaited: dict[int, list[Checkpoint]] = {}
        for checkpoint in expected.checkpoints:
            self._awaited.setdefault(checkpoint.size, []).append(checkpoint)
        self._keys = {str(key) for key in expected.trusted} if expected.trusted else None
        self._start = expected.start
        self._origin = None if expected.start is None else expected.start.origin
        self._tombstone: Tombstone | None = None
        self._tree = _tree_of(expected.start)
        begun = self._tree.size
        self._subtrees = {
            level: _Subtrees(_completed_after(snapshot.tree, level, begun), result) for level in SUBTREE_LEVELS
        }
        self._pages = _pages_by_leaf(snapshot.tree, begun)

    def verify(self) -> None:
        """Add to the result every fault of the seals, leaves and checkpoints."""
        before: StoredSeal | None = None
        readable = True
        for row in self._snapshot.seals.rows():
            self._result.seals += 1
            follows = readable
            try:
                seal = StoredSeal.from_row(row)
                readable = True
            except EncodingError as error:
                self._result.add(Fault(str(error), seal=row[0]))
                readable = False
                continue
            of_tree: tuple[str, ...] = ()
            if self._start is None or seal.number >= self._start.number:
                self._grow_to(seal)
                of_tree = tuple(self._of_tree(seal))
            of_chain = _of_chain(before, seal) if follows else ()
            for message in (*of_tree, *of_chain, *self._of_signature(before, seal), *self._of_tombstone(seal)):
                self._result.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
            for checkpoint in self._awaited.pop(seal.tree_size, ()):
                self._compare_checkpoint(checkpoint, seal)
            before, self._origin = seal, seal.origin
            self._tell("leaves", self._tree.size)
        self._result.tree_size = self._tree.size
        self._report_rest()

    def _grow_to(self, seal: StoredSeal) -> None:
        """Add the pages of a seal to the tree."""
        while self._tree.size < seal.tree_size and (page := next(self._pages, None)):
            if not page.whole:
                message = f"the leaves from {page.first_leaf} on cannot be read"
                self._result.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
                continue
            if page.first_leaf != self._tree.size:
                message = f"the leaves from {self._tree.size} on are gone, or others are in their place"
                self._result.add(Fault(f"seal {seal.number}: {message}", seal=seal.number))
            self._tree.extend(page.hashes, self._compare_subtree, SUBTREE_LEVELS)

    def _compare_subtree(self, level: int, position: int, subtree: bytes) -> None:
        self._subtrees[level].compare(Subtree(level, position, subtree))

    def _of_tree(self, seal: StoredSeal) -> Iterator[str]:
        if self._tree.size != seal.tree_size:
            yield f"it is over {seal.tree_size} leaves, but there are {self._tree.size} up to its last"
        elif self._tree.root() != seal.root_hash:
            yield "its root is not that of the leaves: the leaves or the root were changed"
        elif b"".join(self._tree.hashes) != seal.compact_range:
            yield "its compact range is not that of its tree"

    def _of_signature(self, before: StoredSeal | None, seal: StoredSeal) -> Iterator[str]:
        try:
            seal.check_signature()
        except ValueError as error:
            yield str(error)
            return
        if seal.verifier_key is None:
            self._result.unsigned += 1
            if self._keys is not None or (before is not None and before.verifier_key is not None):
                yield "it is not signed"
            return
        if before is not None and before.leads_to not in {None, seal.verifier_key}:
            yield f"it is signed by {seal.verifier_key}, but the seal before leads to {before.leads_to}"
        elif self._keys is not None and seal.verifier_key not in self._keys:
            yield f"it is signed by {seal.verifier_key}, which is neither trusted nor announced by a trusted key"
        elif self._keys is not None and seal.next_key is not None:
            self._keys.add(seal.next_key)

    def _of_tombstone(self, seal: StoredSeal) -> Iterator[str]:
        tombstone = seal.tombstone
        if tombstone is None:
            return
        if seal.verifier_key is None:
            yield "it has a tombstone, but is not signed"
        if self._tombstone is not None and tombstone.leaf_count <= self._tombstone.leaf_count:
            yield "its tombstone names no more leaves than an earlier one"
        if not self._snapshot.tree.is_cut(tombstone.leaf_count, tombstone.last_sequence):
            yield (
                f"its tombstone is for {tombstone.leaf_count} leaves, but these do not end with a page and their"
                f" highest sequence, {tombstone.last_sequence}"
            )
        self._tombstone = tombstone

    def _compare_checkpoint(self, checkpoint: Checkpoint, seal: StoredSeal) -> None:
        if checkpoint.origin != seal.origin:
            self._result.add(Fault(_other_origin(checkpoint, seal.origin), seal=seal.number))
        elif checkpoint.root != self._tree.root():
            message = f"the checkpoint of {checkpoint.size} leaves has another root: its leaves were rewritten"
            self._result.add(Fault(message, seal=seal.number))
        elif checkpoint.extensions and checkpoint.text() != seal.seal().text():
            message = f"the checkpoint of {checkpoint.size} leaves is of another seal over them: it was rewritten"
            self._result.add(Fault(message, seal=seal.number))
        else:
            self._result.checkpoints += 1

    def _report_rest(self) -> None:
        """Report checkpoints without a seal, pages after the last seal, and subtrees that the tree does not have."""
        for size, checkpoints in self._awaited.items():
            others = [each for each in checkpoints if self._origin not in (None, each.origin)]
            for each in others:
                self._result.add(Fault(_other_origin(each, self._origin)))
            if len(others) == len(checkpoints):
                continue
            cut = "the trail was cut" if size > self._tree.size else "the trail was rewritten and sealed again"
            message = f"a checkpoint is of {size} leaves, but none of the seals here is: {cut}"
            self._result.add(Fault(message))
        for page in self._pages:
            self._result.add(Fault(f"the leaves from {page.first_leaf} on belong to no seal"))
        for subtrees in self._subtrees.values():
            subtrees.end()


def _other_origin(checkpoint: Checkpoint, origin: str | None) -> str:
    return f"the checkpoint is of the trail {checkpoint.origin}, but this one is {origin}"


class _Subtrees:
    """The stored hashes of one level, compared in order with the hashes of the tree."""

    def __init__(self, stored: Iterator[Subtree], result: VerificationResult) -> None:
        self._stored, self._result = stored, result
        self._next = next(stored, None)

    def compare(self, computed: Subtree) -> None:
        """Compare the next hash of the level with the stored one."""
        if self._next is None or self._next.position != computed.position:
            self._fault(computed, "is gone")
            return
        if self._next.hash != computed.hash:
            self._fault(computed, "is not that of the leaves")
        self._next = next(self._stored, None)

    def end(self) -> None:
        """Report the stored hashes that the tree does not have."""
        while self._next is not None:
            self._fault(self._next, "is not that of the leaves")
            self._next = next(self._stored, None)

    def _fault(self, subtree: Subtree, what: str) -> None:
        named = f"the stored hash of the {1 << subtree.level} leaves from {subtree.position << subtree.level} on"
        self._result.add(Fault(f"{named} {what}"))


def _of_chain(before: StoredSeal | None, seal: StoredSeal) -> Iterator[str]:
    """Yield the reasons why a seal cannot follow the seal before it."""
    if seal.number != (before.number + 1 if before else 1):
        yield f"it comes after seal {before.number}" if before else "the seals before it are gone"
    if seal.previous_seal_hash != (before.seal().hash() if before else NO_SEAL):
        yield "it follows another seal than the one that is before it here"
    if before is not None and seal.origin != before.origin:
        yield f"it is of the trail {seal.origin}, but the seal before is of {before.origin}"


def _tree_of(seal: StoredSeal | None) -> CompactRange:
    """Return the tree of a seal, from its compact range."""
    if seal is None:
        return CompactRange()
    try:
        return CompactRange(seal.tree_size, seal.subtree_hashes)
    except ValueError as error:
        raise TrailError(f"nothing can start from seal {seal.number}: {error}") from None


def _completed_after(tree: Tree, level: int, leaves: int) -> Iterator[Subtree]:
    """Yield the stored subtrees of a level that need more than the first `leaves` leaves."""
    return (subtree for subtree in tree.subtrees(level) if subtree.position + 1 << level > leaves)


def _pages_by_leaf(tree: Tree, first: int) -> Iterator[Page]:
    while first <= LARGEST and (pages := tree.pages(first, PAGES)):
        yield from pages
        first = pages[-1].first_leaf + 1
