"""The Merkle tree of RFC 6962: roots, compact ranges, and proofs of inclusion and consistency.

A node is identified by its level and index, from zero: it covers `1 << level` leaves, from `index << level` on. Only
full nodes are identified; the root and the proofs of a tree of any size are made of them.

https://www.rfc-editor.org/rfc/rfc6962#section-2.1; proofs are verified as in sections 2.1.3.2 and
2.1.4.2 of https://www.rfc-editor.org/rfc/rfc9162.
"""

import hashlib
from collections.abc import Callable, Container, Iterable, Sequence

from kms_schema.errors import KmsSchemaError

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""Returns the hash of the node at (level, index); called for full nodes only."""

Visit = Callable[[int, int, bytes], None]
"""Receives level, index and hash of a node when it is full."""

_sha256 = hashlib.sha256
_LEVELS = range(1, 64)


class ProofError(KmsSchemaError, ValueError):
    """A proof is not valid."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two hashes."""
    return _sha256(b"\x01" + left + right).digest()


class CompactRange:
    """A tree to which leaves are added: its size and the hashes of its full subtrees, the largest first.

    Their number is the number of 1 bits in `size`, so a tree of a million million leaves needs less than 1.5 kB.
    """

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Start with a tree of `size` leaves. Raises `ValueError` if the number of `hashes` does not fit."""
        self.size: int = size
        self.hashes: list[bytes] = list(hashes)
        if size < 0 or len(self.hashes) != size.bit_count() or any(len(each) != HASH_SIZE for each in self.hashes):
            raise ValueError(
                f"a tree of {size} leaves has {size.bit_count()} full subtrees, with a hash of 32 bytes each"
            )

    def extend(self, leaves: bytes, visit: Visit | None = None, levels: Container[int] = _LEVELS) -> None:
        """Add the hashes of leaves, 32 bytes each, and call `visit` with each node of `levels` that is full now.

        It works level by level: a loop over a level is faster than the path from each leaf to the root. Raises
        `ValueError` if `leaves` is not a sequence of hashes.
        """
        if len(leaves) % HASH_SIZE:
            raise ValueError(f"{len(leaves)} bytes are not hashes of {HASH_SIZE} bytes each")
        index, level, row = self.size, 0, leaves
        self.size += len(leaves) // HASH_SIZE
        alone = []
        while row:
            if index & 1:
                row = self.hashes.pop() + row
            if len(row) // HASH_SIZE & 1:
                alone.append(row[-HASH_SIZE:])  # until its sibling is added
                row = row[:-HASH_SIZE]
            row = b"".join([_sha256(b"\x01" + row[at : at + 64]).digest() for at in range(0, len(row), 64)])
            index, level = index >> 1, level + 1
            if visit is not None and level in levels:
                for position, at in enumerate(range(0, len(row), HASH_SIZE), index):
                    visit(level, position, row[at : at + HASH_SIZE])
        self.hashes += reversed(alone)

    def root(self) -> bytes:
        """Return the root of the tree, 32 bytes."""
        if not self.hashes:
            return EMPTY_ROOT
        above = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            above = node_hash(left, above)
        return above


def root(begin: int, end: int, node: Node) -> bytes:
    """Return the root of the leaves from `begin` to before `end`; the whole tree has `root(0, size, node)`.

    `begin` is a multiple of the largest power of two up to `end - begin`.
    """
    if begin == end:
        return EMPTY_ROOT
    left = _left(end - begin)
    if left == end - begin:
        level = left.bit_length() - 1
        return node(level, begin >> level)
    return node_hash(root(begin, begin + left, node), root(begin + left, end, node))


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves, the lowest hash first.

    `node` is called for at most two hashes a level. Raises `ValueError` if the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _left_of_two(end - begin)
        if index < middle:
            path.append(root(middle, end, node))
            end = middle
        else:
            path.append(root(begin, middle, node))
            begin = middle
    return path[::-1]


def consistency_proof(old_size: int, new_size: int, node: Node) -> list[bytes]:
    """Return the hashes that prove that the tree of `new_size` leaves begins with the tree of `old_size` leaves.

    `node` is called for full nodes of the new tree. There are no hashes if the sizes are the same, or the old tree is
    empty. Raises `ValueError` if the old tree is larger.
    """
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a tree of {new_size} leaves has no beginning of {old_size}")
    if old_size in (0, new_size):
        return []
    path = []
    begin, end = 0, new_size
    while end != old_size:
        middle = begin + _left_of_two(end - begin)
        if old_size <= middle:
            path.append(root(middle, end, node))
            end = middle
        else:
            path.append(root(begin, middle, node))
            begin = middle
    # The rest is a full subtree of both trees. If it is the old tree itself, the verifier has its root.
    if begin:
        path.append(root(begin, end, node))
    return path[::-1]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected: bytes) -> None:
    """Raise `ProofError` unless this leaf hash is at `index` in the tree of `size` leaves with root `expected`.

    proof: the hashes of `inclusion_proof`.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} leaves has no leaf {index}")
    _check_lengths(leaf, *proof)
    above = leaf
    for sibling, is_left in zip(proof, _sides(index, size - 1, len(proof)), strict=True):
        above = node_hash(sibling, above) if is_left else node_hash(above, sibling)
    if above != expected:
        raise ProofError("the proof leads to another root: another entry is at this place")


def verify_consistency(old_size: int, old: bytes, new_size: int, new: bytes, proof: Sequence[bytes]) -> None:
    """Raise `ProofError` unless the tree of `new_size` leaves with root `new` extends the tree of `old_size` and `old`.

    proof: the hashes of `consistency_proof`. Every tree begins with the empty tree.
    """
    if not 0 <= old_size <= new_size:
        raise ProofError(f"a tree of {new_size} leaves cannot be an extension of a tree of {old_size} leaves")
    _check_lengths(old, new, *proof)
    if old_size in (0, new_size):
        if proof:
            raise ProofError("the proof has too many hashes")
        if old != (EMPTY_ROOT if old_size == 0 else new) or (new_size == 0 and new != EMPTY_ROOT):
            raise ProofError("the roots are not those of these sizes")
        return
    hashes = list(proof) if old_size & (old_size - 1) else [old, *proof]
    if not hashes:
        raise ProofError("the proof has too few hashes")
    # The first hash is that of the largest subtree of the new tree that ends where the old tree ends.
    levels = (old_size ^ (old_size - 1)).bit_length() - 1
    of_old = of_new = hashes[0]
    sides = _sides((old_size - 1) >> levels, (new_size - 1) >> levels, len(hashes) - 1)
    for sibling, is_left in zip(hashes[1:], sides, strict=True):
        of_new = node_hash(sibling, of_new) if is_left else node_hash(of_new, sibling)
        if is_left:
            of_old = node_hash(sibling, of_old)
    if of_old != old:
        raise ProofError("the proof leads to another root of the old tree")
    if of_new != new:
        raise ProofError("the proof leads to another root of the new tree: it is not an extension of the old one")


def _sides(node: int, last: int, count: int) -> list[bool]:
    """Return for each of the `count` hashes on the path to the root whether it is the left one.

    `node` and `last` are the first index of the path, and the last index at that level. Raises `ProofError` if the
    path has more or fewer hashes.
    """
    sides = []
    while last:
        is_left = bool(node & 1) or node == last
        while is_left and node and not node & 1:
            # The last node of a level has no sibling, and is also that of the next level, until it is a right child.
            node, last = node >> 1, last >> 1
        sides.append(is_left)
        node, last = node >> 1, last >> 1
    if len(sides) != count:
        raise ProofError(f"the proof has too {'many' if len(sides) < count else 'few'} hashes")
    return sides


def _check_lengths(*hashes: bytes) -> None:
    if any(len(each) != HASH_SIZE for each in hashes):
        raise ProofError("a hash has 32 bytes")


def _left(count: int) -> int:
    """Return the largest power of two up to `count`."""
    return 1 << (count.bit_length() - 1)


def _left_of_two(count: int) -> int:
    """Return how many of `count` leaves are left of the root: the largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)
