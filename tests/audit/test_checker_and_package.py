"""The standalone checker is written apart from the formats of the package: both accept and refuse the same."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kms_schema.audit.formats import checkpoints, encoding, notes
from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.encoding import leaf_hash
from kms_schema.audit.formats.merkle import (
    consistency_proof,
    inclusion_proof,
    root,
    verify_consistency,
    verify_inclusion,
)
from kms_schema.audit.formats.notes import Note
from kms_schema.audit.standalone import check_audit
from tests.audit.proofs import ENTRIES, KEY, node, sealed

SIZES = st.integers(0, len(ENTRIES))
OTHER = bytes(32)


def outcome(check: Callable[[], Any]) -> Any:
    """Return what a check returns, False if it refuses its arguments."""
    try:
        return check()
    except (ValueError, check_audit.Refused):
        return False


def holds(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except ValueError:
        return False
    return True


@st.composite
def paths(draw: st.DrawFn, true: list[bytes]) -> list[bytes]:
    """Return the true hashes of a proof, or others: with one changed, left out or inserted."""
    path, at = list(true), draw(st.integers(0, len(true)))
    path[at : at + draw(st.integers(0, 1))] = draw(st.sampled_from([[], [OTHER], true[at : at + 1]]))
    return draw(st.sampled_from([true, path]))


@settings(deadline=None)
@given(st.data(), SIZES.filter(bool))
def test_inclusion(data: st.DataObject, size: int) -> None:
    index, entry = (data.draw(st.integers(0, size - 1)) for _ in range(2))
    path = data.draw(paths(inclusion_proof(index, size, node)))
    leaf, of_tree = leaf_hash(ENTRIES[entry]), root(0, size, node)
    ours = holds(lambda: verify_inclusion(index, size, leaf, path, of_tree))
    assert outcome(lambda: check_audit.root_from_path(index, size, leaf, path) == of_tree) == ours


@settings(deadline=None)
@given(st.data(), SIZES.filter(bool), SIZES)
def test_consistency(data: st.DataObject, old: int, more: int) -> None:
    new = min(old + more, len(ENTRIES))
    path = data.draw(paths(consistency_proof(old, new, node)))
    roots = data.draw(st.sampled_from([(root(0, old, node), root(0, new, node)), (OTHER, root(0, new, node))]))
    ours = holds(lambda: verify_consistency(old, roots[0], new, roots[1], path))
    assert outcome(lambda: check_audit.roots_from_proof(old, new, path, roots[0]) == roots) == ours


@settings(deadline=None)
@given(st.data(), SIZES)
def test_checkpoints(data: st.DataObject, size: int) -> None:
    note = str(sealed(size))
    at = data.draw(st.integers(0, len(note)))
    note = note[:at] + data.draw(st.sampled_from(["", "\n", "\r", "0", "A", " ", "é", note[at:]])) + note[at + 1 :]

    def package() -> tuple[Any, ...]:
        parsed = Note.parse(note)
        parsed.trusted([KEY.verifier])
        checkpoint = Checkpoint.parse(parsed.text)
        return checkpoint.origin, checkpoint.size, checkpoint.root, parsed.text

    def checker() -> tuple[Any, ...]:
        return check_audit.read_checkpoint(note, [check_audit.read_key(str(KEY.verifier))])[:4]

    assert outcome(checker) == outcome(package)


def test_limits_and_columns() -> None:
    assert check_audit.LARGEST == checkpoints.LARGEST
    assert check_audit.MOST_SIGNATURES == notes.MOST_SIGNATURES
    assert list(check_audit.COLUMNS) == list(encoding.COLUMNS)
    assert check_audit.ENTRY == encoding.TAG
