"""Inclusion proofs of many entries: the hashes that their paths share are read and computed once.

Entries are given by sequence, so neighbours in the tree come one after the other. Leaves are read in windows of 65,536,
each with one query for its leaves and one for its subtrees. So the number of queries grows with the windows.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kms_schema.audit.formats.encoding import EncodingError, Unreadable, leaf_hash, sequence_of
from kms_schema.audit.formats.merkle import CompactRange, ProofError, inclusion_proof, verify_inclusion
from kms_schema.audit.formats.notes import Note
from kms_schema.audit.formats.proof_documents import inclusion_line
from kms_schema.audit.proofs.prover import CannotProveError, Nodes
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot
from kms_schema.audit.storage.tree import Tree

BATCH = 2000
"""Entries that are read with one query."""
_sha256 = hashlib.sha256
_WINDOW_LEVEL = 16
_BLOCK_LEVEL = 8
_WINDOWS = 3
"""Windows in memory: of the entries, of late entries, and the last window of the tree."""


class Proven(NamedTuple):
    """An entry with its proof, or with the reason why it cannot be proven."""

    sequence: int
    line: bytes | None
    """The proof as one line of JSON, with its newline."""
    fault: str | None = None


class _Window:
    """The full nodes of 65,536 leaves up to the level of a stored subtree."""

    def __init__(self, tree: Tree, number: int, size: int) -> None:
        """Read the leaves and subtrees of a window of a tree of `size` leaves."""
        self._first = number << _WINDOW_LEVEL
        last = min(self._first + (1 << _WINDOW_LEVEL), size) - 1
        pages = tree.pages_over(self._first, last)
        hashes = b"".join(page.hashes for page in pages)
        begin = pages[0].first_leaf if pages else self._first
        self._leaves = hashes[(self._first - begin) * 32 : (last + 1 - begin) * 32]
        if len(self._leaves) != (last + 1 - self._first) * 32:
            raise CannotProveError("leaves of the tree are missing: kms-schema audit verify reports which")
        first = self._first >> _BLOCK_LEVEL
        blocks = tree.subtrees_at(_BLOCK_LEVEL, first, first + 255)
        self._blocks = {(_BLOCK_LEVEL, each.position): each.hash for each in blocks}
        self._rows: dict[int, list[bytes]] = {}
        self._nodes: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a full node that this window has."""
        if level < _BLOCK_LEVEL:
            below = _BLOCK_LEVEL - level
            at = (index & (1 << below) - 1) * 32
            return self._block(index >> below)[level][at : at + 32]
        if (level, index) not in self._nodes:
            self._nodes[level, index] = self._blocks.get((level, index)) or self._above(level, index)
        return self._nodes[level, index]

    def _block(self, number: int) -> list[bytes]:
        """Return the hashes of all full nodes of 256 leaves, a level each: their siblings are in most proofs."""
        if number not in self._rows:
            at = ((number << _BLOCK_LEVEL) - self._first) * 32
            rows = [self._leaves[at : at + (32 << _BLOCK_LEVEL)]]
            for _ in range(_BLOCK_LEVEL):
                row = rows[-1]
                pairs = [row[at : at + 64] for at in range(0, len(row) // 64 * 64, 64)]
                rows.append(b"".join([_sha256(b"\x01" + pair).digest() for pair in pairs]))
            self._rows[number] = rows
        return self._rows[number]

    def _above(self, level: int, index: int) -> bytes:
        if level == _BLOCK_LEVEL:  # the stored subtree is missing: the proof is checked against the root
            return self._block(index)[_BLOCK_LEVEL]
        tree, below = CompactRange(), level - _BLOCK_LEVEL
        tree.extend(b"".join(self.node(_BLOCK_LEVEL, each) for each in range(index << below, index + 1 << below)))
        return tree.root()


class TreeOfSeal:
    """The nodes of the tree of a seal: `TreeOfSeal(snapshot.tree, size)(level, index)`."""

    def __init__(self, tree: Tree, size: int) -> None:
        """Read from the tree of one snapshot, which has at least `size` leaves."""
        self._tree, self._size, self._above = tree, size, Nodes(tree)
        self._windows: OrderedDict[int, _Window] = OrderedDict()
        self._high: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """Return the hash of a full node. Raises `CannotProveError`."""
        if level < _WINDOW_LEVEL:
            return self._window(index >> _WINDOW_LEVEL - level).node(level, index)
        if (level, index) not in self._high:
            self._high[level, index] = self._above(level, index)
        return self._high[level, index]

    def _window(self, number: int) -> _Window:
        if number not in self._windows:
            self._windows[number] = _Window(self._tree, number, self._size)
        self._windows.move_to_end(number)
        while len(self._windows) > _WINDOWS:
            self._windows.popitem(last=False)
        return self._windows[number]


class Prover:
    """Proves entries of one snapshot against one signed seal."""

    def __init__(self, snapshot: Snapshot, seal: StoredSeal) -> None:
        """Prove against `seal`. Raises `CannotProveError` if it is not signed."""
        self._snapshot, self._seal = snapshot, seal
        self.note: Note = seal.note()
        """The checkpoint that every proof names."""
        if not self.note.signatures:
            raise CannotProveError(f"seal {seal.number} is not signed, so it proves nothing: seal with --key")
        self._nodes = TreeOfSeal(snapshot.tree, seal.tree_size)

    def prove(self, places: Sequence[tuple[int, int | None]]) -> Iterator[Proven]:
        """Yield the proof of each entry, in the order of `places`.

        places: sequences in ascending order, each with its place in the tree, None if it is unsealed. The snapshot
        must read nothing else before the end.
        """
        for at in range(0, len(places), BATCH):
            batch = places[at : at + BATCH]
            read = {sequence_of(each): each for each in self._snapshot.entries.chosen([each for each, _ in batch])}
            for sequence, leaf in batch:
                yield self._proven(sequence, leaf, read.get(sequence))

    def _proven(self, sequence: int, leaf: int | None, entry: bytes | None) -> Proven:
        size = self._seal.tree_size
        if leaf is None or leaf >= size:
            return Proven(sequence, None, f"no seal up to seal {self._seal.number} covers it")
        if entry is None or isinstance(entry, Unreadable):
            return Proven(sequence, None, "the entry cannot be read")
        path = inclusion_proof(leaf, size, self._nodes)
        try:
            verify_inclusion(leaf, size, leaf_hash(entry), path, self._seal.root_hash)
            return Proven(sequence, inclusion_line(entry, leaf, path, self.note))
        except ProofError:
            return Proven(sequence, None, f"it is not the entry that seal {self._seal.number} covers")
        except EncodingError as error:
            return Proven(sequence, None, f"JSON cannot express it: {error}")
