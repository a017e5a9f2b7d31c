"""The standalone checker: valid proofs hold, and a proof with any change does not."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kms_schema.audit.formats.encoding import COLUMNS, entry_from_columns
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.formats.merkle import EMPTY_ROOT, inclusion_proof
from kms_schema.audit.formats.notes import Note, Signature, sign
from kms_schema.audit.formats.proof_documents import consistency_document, inclusion_document
from kms_schema.audit.standalone import check_audit
from kms_schema.audit.standalone.check_audit import Refused, check_proof, read_key
from tests.audit.entries import ANY_ENTRY
from tests.audit.examples import EXAMPLES as EXAMPLES_OF_PAGE
from tests.audit.examples import PAGE, examples_of
from tests.audit.proofs import ENTRIES, KEY, consistency, inclusion, node, sealed
from tests.audit.vectors import VECTORS

TRUSTED = [read_key(str(KEY.verifier))]
STRANGER = SigningKey("kms.example/audit", bytes(32))
SIZES = range(1, len(ENTRIES) + 1)
EXAMPLES = [
    inclusion(4, 7),
    inclusion(10, 11),
    inclusion(0, 1),
    consistency(3, 7),
    consistency(4, 11),
    consistency(7, 7),
]


def holds(proof: str) -> bool:
    try:
        check_proof(proof.encode(), TRUSTED)
    except Refused:
        return False
    return True


def test_every_true_proof_holds() -> None:
    for size in SIZES:
        for index in range(size):
            assert f"is leaf {index} of this tree" in check_proof(inclusion(index, size).encode(), TRUSTED)[-1]
        for old in range(size + 1):
            assert len(check_proof(consistency(old, size).encode(), TRUSTED)) == 3


def test_the_checker_makes_the_golden_bytes_of_the_golden_values() -> None:
    for vector in VECTORS:
        assert check_audit.entry_bytes(vector["columns"]).hex() == vector["entry"], vector["name"]


@settings(deadline=None)
@given(ANY_ENTRY)
def test_the_checker_and_the_package_make_the_same_bytes(columns: dict[str, Any]) -> None:
    assert check_audit.entry_bytes(columns) == entry_from_columns(columns)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value in a document."""
    yield at
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*at, name))


def changed(value: Any, data: st.DataObject) -> Any:
    """Return another value than this one, and one that is alike."""
    match value:
        case str() if value:
            at = data.draw(st.integers(0, len(value) - 1))
            character = data.draw(st.characters() | st.sampled_from(value))
            kind = data.draw(st.sampled_from(("replace", "insert", "drop")))
            return value[:at] + (character if kind != "drop" else "") + value[at + (kind != "insert") :]
        case bool() | None | str():
            return data.draw(st.sampled_from([None, "", " ", 0, 1, [], {}]))
        case int():
            return value + data.draw(st.integers(-12, 12) | st.sampled_from([2**31, 2**32, 2**63, 2**64]))
        case list():
            other = copy.copy(value)
            data.draw(
                st.sampled_from((list.reverse, lambda each: each.append(value), lambda each: each and each.pop()))
            )(other)
            return other
        case dict():
            name = data.draw(st.sampled_from([*value, "colour"]))
            return {k: v for k, v in value.items() if k != name} | ({"colour": 1} if name == "colour" else {})
    return data.draw(st.sampled_from([None, 0, ""]))


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(EXAMPLES), st.data())
def test_a_proof_that_is_changed_anywhere_is_refused(proof: str, data: st.DataObject) -> None:
    document = json.loads(proof)
    way = data.draw(st.sampled_from(list(places(document))))
    lie = copy.deepcopy(document)
    if not way:
        lie = changed(lie, data)
    else:
        inner = lie
        for name in way[:-1]:
            inner = inner[name]
        inner[way[-1]] = data.draw(
            st.just(changed(inner[way[-1]], data)) | st.sampled_from([None, True, 1, 1.0, "x", [], {}])
        )
    text = json.dumps(lie)
    assert holds(text) == (text == json.dumps(document))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(EXAMPLES), st.data())
def test_a_file_that_is_damaged_anywhere_is_refused(proof: str, data: st.DataObject) -> None:
    """Unless it says the same: JSON has more than one way to write a space, of which CR is refused."""
    raw = bytearray(proof.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        same = b"\r" not in raw and json.loads(raw.decode()) == json.loads(proof)
    except ValueError:
        same = False
    try:
        check_proof(bytes(raw), TRUSTED)
    except Refused:
        assert not same
    else:
        assert same


@pytest.mark.parametrize("column", COLUMNS)
def test_an_entry_with_another_value_in_any_column_is_refused(column: str) -> None:
    document = json.loads(inclusion(1, 7))
    for value in (None, 7, "7", VECTORS[2]["columns"][column]):
        lie = document | {"entry": document["entry"] | {column: value}}
        assert holds(json.dumps(lie)) == (value == document["entry"][column])


def test_another_entry_or_another_place_is_refused() -> None:
    for index in range(7):
        hashes = inclusion_proof(index, 7, node)
        for other in range(7):
            assert holds(inclusion_document(ENTRIES[index], other, hashes, sealed(7))) == (index == other)
            assert holds(inclusion_document(ENTRIES[other], index, hashes, sealed(7))) == (index == other)


def test_a_proof_by_another_key_is_refused() -> None:
    forged = inclusion_document(ENTRIES[1], 1, inclusion_proof(1, 7, node), sealed(7, STRANGER))
    assert not holds(forged)
    with pytest.raises(Refused, match="key that you trust"):
        check_proof(forged.encode(), TRUSTED)
    check_proof(forged.encode(), [read_key(str(STRANGER.verifier))])
    assert not holds(consistency_document(sealed(7, STRANGER), sealed(7), []))
    assert not holds(consistency_document(sealed(7), sealed(7, STRANGER), []))


def test_checkpoints_of_two_trails_are_not_consistent() -> None:
    with pytest.raises(Refused, match="two trails"):
        check_proof(consistency_document(sealed(7), sealed(7, origin="other"), []).encode(), TRUSTED)


def test_a_tree_that_shrank_is_refused() -> None:
    with pytest.raises(Refused, match="entries are gone"):
        check_proof(consistency_document(sealed(7), sealed(6), []).encode(), TRUSTED)


def test_a_trail_that_was_rewritten_is_refused() -> None:
    """The owner of database and key can seal a new trail, but cannot make it an extension of the old one."""
    rewritten = sign(sealed(11).text.replace("\n11\n", "\n11\n", 1).replace(_root(11), _root(10)), KEY)
    for document in (json.loads(consistency(7, 11)), json.loads(consistency(4, 11))):
        lie = document | {"new_checkpoint": str(rewritten)}
        with pytest.raises(Refused, match="is not an extension"):
            check_proof(json.dumps(lie).encode(), TRUSTED)
        lie = document | {"old_checkpoint": str(sign(sealed(7).text.replace(_root(7), _root(6)), KEY))}
        with pytest.raises(Refused):
            check_proof(json.dumps(lie).encode(), TRUSTED)


def _root(size: int) -> str:
    return sealed(size).text.split("\n")[2]


def test_an_empty_tree_has_one_root() -> None:
    assert holds(consistency(0, 0))
    text = sealed(0).text
    other = sign(text.replace(_root(0), _root(1)), KEY)
    assert EMPTY_ROOT
    for old, new in ((sealed(0), other), (other, sealed(0)), (other, sealed(3))):
        assert not holds(consistency_document(old, new, []))


@pytest.mark.parametrize(
    ("proof", "says"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("1" * 5000, "not JSON"),
        ("[]", "no format"),
        ('{"format": 1}', "no format"),
        ('{"format": "kms-schema/audit-inclusion-proof/v2"}', "no format"),
        ('{"format": "kms-schema/audit-inclusion-proof/v1"}', "and nothing else"),
        (EXAMPLES[0].replace('"leaf_index": 4', '"leaf_index": 4, "leaf_index": 4'), "is repeated"),
        (EXAMPLES[0].replace('"leaf_index": 4', '"leaf_index": 4.0'), "whole numbers"),
        (EXAMPLES[0].replace('"leaf_index": 4', '"leaf_index": NaN'), "whole numbers"),
        (EXAMPLES[0].replace('"leaf_index": 4', '"leaf_index": 7'), "leaf_index is not one"),
        (EXAMPLES[0].replace('"leaf_index": 4', '"leaf_index": -1'), "leaf_index is not one"),
        (EXAMPLES[0].replace('"LIFECYCLE"', '"\\ud800"'), "event_category"),
    ],
    ids=range(13),
)
def test_what_is_no_proof_is_refused_in_words(proof: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        check_proof(proof.encode(), TRUSTED)


def lie(proof: str, **members: Any) -> bytes:
    return json.dumps(json.loads(proof) | members).encode()


def with_entry(number: int, **columns: Any) -> bytes:
    proof = inclusion(number, 7)
    return lie(proof, entry=json.loads(proof)["entry"] | columns)


LEAST = 4
"""The golden entry with 1 and 0 for numbers."""


@pytest.mark.parametrize(
    "proof",
    [
        with_entry(0, timestamp="2026-11-25T12:00:00.0Z"),
        with_entry(0, timestamp=848923200000000),
        with_entry(LEAST, timestamp=-63082281600000000),
        with_entry(LEAST, retention_period_days=True),
        with_entry(LEAST, duration_ms=False),
        with_entry(0, id="0193A5B2-7C10-7000-8000-000000000001"),
        with_entry(0, id="0193a5b27c1070008000000000000001"),
        with_entry(0, colour="red"),
    ],
    ids=range(8),
)
def test_a_value_has_one_way_to_be_written(proof: bytes) -> None:
    """Each of them would have the bytes of the entry: what a person reads must be what was hashed."""
    with pytest.raises(Refused, match=r"value of its type|exactly the columns"):
        check_proof(proof, TRUSTED)


def test_a_hash_has_one_way_to_be_written_and_32_bytes() -> None:
    first, *others = json.loads(EXAMPLES[0])["hashes"]
    twin = first[:-2] + chr(ord(first[-2]) + 1) + "="
    for hashes, says in (([twin, *others], "not base64"), (["AA==", *others], "32 bytes"), ("", "not a list")):
        with pytest.raises(Refused, match=says):
            check_proof(lie(EXAMPLES[0], hashes=hashes), TRUSTED)


@pytest.mark.parametrize("proof", [*EXAMPLES, consistency(0, 7), consistency(0, 0)], ids=range(8))
def test_a_hash_more_or_less_is_refused(proof: str) -> None:
    hashes = json.loads(proof)["hashes"]
    more = _root(7)
    for at in range(len(hashes) + 1):
        with pytest.raises(Refused):
            check_proof(lie(proof, hashes=[*hashes[:at], more, *hashes[at:]]), TRUSTED)
    for at in range(len(hashes)):
        with pytest.raises(Refused):
            check_proof(lie(proof, hashes=[*hashes[:at], *hashes[at + 1 :]]), TRUSTED)


@pytest.mark.parametrize(
    ("old", "new"),
    [("\ntime", "\n\ntime"), ("\ntime", "\ntime\t"), ("\n7\n", "\n07\n"), ("\n7\n", "\n"), ("Ms=\n", "Mt=\n")],
    ids=range(5),
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(old: str, new: str) -> None:
    text = sealed(7).text.replace(old, new, 1)
    assert text != sealed(7).text
    signature = Signature(KEY.name, KEY.verifier.key_id, KEY.sign(text.encode()))
    with pytest.raises(Refused, match=r"a checkpoint (is a text|has lines)|base64"):
        check_proof(lie(EXAMPLES[0], checkpoint=str(Note(text, (signature,)))), TRUSTED)


def test_a_mistyped_key_is_refused() -> None:
    name, key_id, key = str(KEY.verifier).split("+", 2)
    for wrong in (f"{name}x+{key_id}+{key}", f"{name}+{key_id[::-1]}+{key}", f"{name}+{key_id}+{key[:-1]}5", "", "+"):
        with pytest.raises(Refused):
            read_key(wrong)


def test_the_examples_of_the_page_are_what_the_package_makes() -> None:
    assert examples_of(PAGE.read_text(encoding="utf-8")) == EXAMPLES_OF_PAGE, "run: python -m tests.audit.examples"


def test_the_examples_of_the_page_hold() -> None:
    page = examples_of(PAGE.read_text(encoding="utf-8"))
    keys = [read_key(page["key"].strip())]
    for name in ("inclusion", "consistency"):
        check_proof(page[name].encode(), keys)
