"""The Merkle tree: published vectors, RFC 6962's own example and definition, and proofs that lie."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kms_schema.audit.formats import merkle
from kms_schema.audit.formats.encoding import leaf_hash
from kms_schema.audit.formats.merkle import CompactRange, ProofError, node_hash, verify_consistency, verify_inclusion
from tests.audit import trees

PUBLISHED = json.loads((Path(__file__).parent / "published" / "rfc6962.json").read_text(encoding="ascii"))
LEAVES = [leaf_hash(b"\x00" + bytes.fromhex(data)) for data in PUBLISHED["leaf_inputs"]]
ROOTS = [bytes.fromhex(each) for each in PUBLISHED["root_hashes"]]
NODES = [[bytes.fromhex(each) for each in level] for level in PUBLISHED["node_hashes"]]
MANY = 33
SOME = trees.some_leaves(MANY)


class Tree:
    """The full nodes of a tree as `CompactRange` shows them, and which of them are asked for."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.asked: list[tuple[int, int]] = []
        self.range = CompactRange()
        for index, leaf in enumerate(leaves):
            self.nodes[0, index] = leaf
            self.range.extend(leaf, self.visit)

    def visit(self, level: int, index: int, hash_: bytes) -> None:
        assert (level, index) not in self.nodes
        self.nodes[level, index] = hash_

    def __call__(self, level: int, index: int) -> bytes:
        self.asked.append((level, index))
        return self.nodes[level, index]


TREE = Tree(SOME)
PAIRS = [(old, new) for new in range(MANY + 1) for old in range(new + 1)]
INDICES = [(index, size) for size in range(1, MANY + 1) for index in range(size)]


def test_published_nodes_and_roots() -> None:
    tree = Tree(LEAVES)
    assert tree.nodes == {(level, index): each for level, row in enumerate(NODES) for index, each in enumerate(row)}
    for size, root in enumerate(ROOTS):
        assert Tree(LEAVES[:size]).range.root() == merkle.root(0, size, tree) == root


def test_published_inclusion_proofs() -> None:
    tree = Tree(LEAVES)
    known = [vector for vector in PUBLISHED["inclusion_proofs"] if vector["leaf"]]
    assert len(known) == 5
    for vector in known:
        index, size, proof = vector["leaf"] - 1, vector["size"], [bytes.fromhex(each) for each in vector["proof"]]
        assert merkle.inclusion_proof(index, size, tree) == proof
        verify_inclusion(index, size, LEAVES[index], proof, ROOTS[size])
        for wrong_index, wrong_size in (
            (index - 1, size),
            (index + 1, size),
            (index ^ 2, size),
            (index, size * 2),
            (index, size // 2),
        ):
            with pytest.raises(ProofError):
                verify_inclusion(wrong_index, wrong_size, LEAVES[index], proof, ROOTS[size])


def test_published_consistency_proofs() -> None:
    tree = Tree(LEAVES)
    assert len(PUBLISHED["consistency_proofs"]) == 5
    for vector in PUBLISHED["consistency_proofs"]:
        old, new, proof = vector["size1"], vector["size2"], [bytes.fromhex(each) for each in vector["proof"]]
        assert merkle.consistency_proof(old, new, tree) == proof
        verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)
        for wrong_old, wrong_new in ((old - 1, new), (old + 1, new), (old ^ 2, new), (old, new * 2), (old, new // 2)):
            with pytest.raises(ProofError):
                verify_consistency(wrong_old, ROOTS[old], wrong_new, ROOTS[new], proof)


def test_the_example_of_rfc_6962() -> None:
    """Section 2.1.3, with the letters that it gives to the nodes."""
    a, b, c, d, e, f, j = leaves = SOME[:7]
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k = node_hash(g, h)
    last = node_hash(i, j)
    root = node_hash(k, last)
    tree = Tree(leaves)
    assert tree.range.root() == root
    expected = {0: [b, h, last], 3: [c, g, last], 4: [f, j, k], 6: [i, k]}
    assert {index: merkle.inclusion_proof(index, 7, tree) for index in expected} == expected
    assert merkle.consistency_proof(3, 7, tree) == [c, d, g, last]
    assert merkle.consistency_proof(4, 7, tree) == [last]
    assert merkle.consistency_proof(6, 7, tree) == [i, j, k]


def test_every_small_tree_is_as_the_rfc_defines_it() -> None:
    for size in range(MANY + 1):
        assert Tree(SOME[:size]).range.root() == merkle.root(0, size, TREE) == trees.mth(SOME[:size])
    for index, size in INDICES:
        proof = merkle.inclusion_proof(index, size, TREE)
        assert proof == trees.path(index, SOME[:size])
        verify_inclusion(index, size, SOME[index], proof, trees.mth(SOME[:size]))
    for old, new in PAIRS:
        proof = merkle.consistency_proof(old, new, TREE)
        assert proof == (trees.proof(old, SOME[:new]) if old else [])
        verify_consistency(old, trees.mth(SOME[:old]), new, trees.mth(SOME[:new]), proof)


@settings(deadline=None)
@given(st.data())
def test_a_compact_range_goes_on_from_where_it_was_kept(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, MANY))
    kept = Tree(SOME[:size]).range
    again = CompactRange(kept.size, kept.hashes)
    while again.size < MANY:
        count = data.draw(st.integers(1, MANY - again.size))
        again.extend(b"".join(SOME[again.size : again.size + count]))
    assert again.root() == TREE.range.root()
    assert len(kept.hashes) == size.bit_count()


@pytest.mark.parametrize(
    ("size", "hashes"), [(1, []), (3, [SOME[0]]), (0, [SOME[0]]), (-1, [SOME[0]]), (1, [b"short"])]
)
def test_a_compact_range_of_another_size_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(ValueError, match="full subtrees"):
        CompactRange(size, hashes)


@settings(deadline=None)
@given(st.integers(1, 2**40), st.data())
def test_a_proof_in_a_vast_tree_asks_for_few_nodes(size: int, data: st.DataObject) -> None:
    """Only existing full nodes are asked for, and at most two a level."""
    asked: list[tuple[int, int]] = []

    def node(level: int, index: int) -> bytes:
        assert (index + 1) << level <= size
        asked.append((level, index))
        return trees.sha256(f"{level} {index}".encode()).digest()

    index = data.draw(st.integers(0, size - 1))
    assert len(merkle.inclusion_proof(index, size, node)) <= size.bit_length()
    assert len(asked) <= 2 * size.bit_length()
    asked.clear()
    assert len(merkle.consistency_proof(index, size, node)) <= size.bit_length() + 1
    assert len(asked) <= 2 * size.bit_length() + 1


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        merkle.inclusion_proof(index, size, TREE)
    with pytest.raises(ProofError, match="has no leaf"):
        verify_inclusion(index, size, SOME[0], [], SOME[0])


@pytest.mark.parametrize(("old", "new"), [(4, 3), (-1, 3)])
def test_there_is_no_proof_that_a_tree_shrank(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no beginning"):
        merkle.consistency_proof(old, new, TREE)
    with pytest.raises(ProofError, match="cannot be an extension"):
        verify_consistency(old, SOME[0], new, SOME[0], [])


def lies(proof: list[bytes], data: st.DataObject) -> Iterator[list[bytes]]:
    """Yield proofs that differ from `proof`: a bit, a hash more or less, another order, a hash of another length."""
    place = data.draw(st.integers(0, len(proof)))
    foreign = data.draw(st.sampled_from([*SOME, *TREE.nodes.values(), TREE.range.root()]))
    yield [*proof[:place], foreign, *proof[place:]]
    yield [*proof, b""]
    if proof:
        yield []
        at = data.draw(st.integers(0, len(proof) - 1))
        bit = data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(proof[at]) ^ (1 << bit)).to_bytes(32)
        yield [*proof[:at], flipped, *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], proof[at][:-1], *proof[at + 1 :]]
        yield [*proof[:at], proof[at] + b"\0", *proof[at + 1 :]]
        if foreign != proof[at]:
            yield [*proof[:at], foreign, *proof[at + 1 :]]
    if len(set(proof)) > 1:
        yield [*proof[1:], proof[0]]


@settings(deadline=None)
@given(st.sampled_from(INDICES), st.data())
def test_a_lying_inclusion_proof_is_refused(place: tuple[int, int], data: st.DataObject) -> None:
    index, size = place
    root = trees.mth(SOME[:size])
    proof = merkle.inclusion_proof(index, size, TREE)
    for lie in lies(proof, data):
        with pytest.raises(ProofError):
            verify_inclusion(index, size, SOME[index], lie, root)
    for wrong in set(range(-1, size + 1)) - {index}:
        with pytest.raises(ProofError):
            verify_inclusion(wrong, size, SOME[index], proof, root)
        with pytest.raises(ProofError):
            verify_inclusion(index, size, SOME[wrong] if 0 <= wrong < size else b"", proof, root)
    for other in (trees.mth(SOME[: size - 1]), b"", root[:-1]):
        with pytest.raises(ProofError):
            verify_inclusion(index, size, SOME[index], proof, other)


def test_hashes_cut_at_another_place_are_refused() -> None:
    """Two hashes are hashed one after the other: moving a byte between them would change no root."""
    first, second = SOME[:2]
    root = node_hash(first, second)
    with pytest.raises(ProofError, match="32 bytes"):
        verify_inclusion(0, 2, first[:-1], [first[-1:] + second], root)
    with pytest.raises(ProofError, match="32 bytes"):
        verify_consistency(1, first[:-1], 2, root, [first[-1:] + second])


@settings(deadline=None)
@given(st.sampled_from([(old, new) for old, new in PAIRS if old]), st.data())
def test_a_lying_consistency_proof_is_refused(sizes: tuple[int, int], data: st.DataObject) -> None:
    old, new = sizes
    roots: list[Any] = [trees.mth(SOME[:old]), trees.mth(SOME[:new])]
    proof = merkle.consistency_proof(old, new, TREE)
    for lie in lies(proof, data):
        with pytest.raises(ProofError):
            verify_consistency(old, roots[0], new, roots[1], lie)
    rewritten = [*SOME]
    rewritten[data.draw(st.integers(0, old - 1))] = b"\x55" * 32
    other = Tree(rewritten[:new])
    with pytest.raises(ProofError):
        verify_consistency(old, roots[0], new, other.range.root(), merkle.consistency_proof(old, new, other))
    with pytest.raises(ProofError):
        verify_consistency(old, trees.mth(rewritten[:old]), new, roots[1], proof)
    for wrong in ((b"", roots[1]), (roots[0], b""), (roots[0][:-1], roots[1])):
        with pytest.raises(ProofError):
            verify_consistency(old, wrong[0], new, wrong[1], proof)


def test_nothing_but_the_empty_tree_is_the_beginning_of_every_tree() -> None:
    verify_consistency(0, merkle.EMPTY_ROOT, 3, trees.mth(SOME[:3]), [])
    verify_consistency(0, merkle.EMPTY_ROOT, 0, merkle.EMPTY_ROOT, [])
    for old, new_size, new, proof in (
        (SOME[0], 3, trees.mth(SOME[:3]), []),
        (merkle.EMPTY_ROOT, 3, trees.mth(SOME[:3]), [SOME[0]]),
        (SOME[0], 0, SOME[0], []),
        (merkle.EMPTY_ROOT, 0, SOME[0], []),
    ):
        with pytest.raises(ProofError):
            verify_consistency(0, old, new_size, new, proof)
