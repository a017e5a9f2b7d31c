"""Encoding v1 by itself: the golden file, what is refused, and COPY streams in pieces of every size."""

import hashlib
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kms_schema.audit.formats.encoding import (
    COLUMNS,
    PREFIX,
    EncodingError,
    Value,
    columns,
    entry_from_columns,
    fields,
    identity,
    joined,
    leaf_hash,
    sequence_of,
)
from kms_schema.audit.storage.postgresql.encoded_entries import SIGNATURE, entries
from tests.audit.entries import ANY_ENTRY
from tests.audit.vectors import VECTORS
from tools.vectors.entries import FILE, text

ENTRIES = [bytes.fromhex(vector["entry"]) for vector in VECTORS]
HEADER = SIGNATURE + bytes(8)
STREAM = HEADER + b"".join(ENTRIES) + b"\xff\xff"


def example(name: str) -> dict[str, Value]:
    return next(dict(vector["columns"]) for vector in VECTORS if vector["name"] == name)


def pieces(stream: bytes, *sizes: int) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield stream[at : at + size]
        at += size
    yield stream[at:]


def test_the_golden_file_is_current() -> None:
    assert FILE.read_text(encoding="ascii") == text(), "run: python -m tools.vectors"


def test_an_entry_is_its_leaf_prefix_and_hash_of_rfc_6962() -> None:
    for vector, entry in zip(VECTORS, ENTRIES, strict=True):
        assert entry[0] == 0
        assert leaf_hash(entry).hex() == hashlib.sha256(b"\x00" + entry[1:]).hexdigest() == vector["leaf_hash"]


def test_a_small_entry_byte_by_byte() -> None:
    """The bytes as docs/audit.md describes them, written out."""
    null = b"\xff\xff\xff\xff"
    expected = (
        b"\x00\x13"
        b"\x00\x00\x00\x19kms-schema/audit-entry/v1"
        b"\x00\x00\x00\x10\x01\x93\xa5\xb2\x7c\x10\x70\x00\x80\x00\x00\x00\x00\x00\x00\x01"
        b"\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x03\xe9" + null + b"\x00\x00\x00\x0bsystem_init"
        b"\x00\x00\x00\x09LIFECYCLE"
        b"\x00\x00\x00\x13the schema was made"
        + null * 4
        + b"\x00\x00\x00\x08\x00\x03\x04\x17\x55\xc7\x10\x00"
        + null
        # 848 923 200 seconds from 2000-01-01 to 2026-11-25T12:00:00Z
        + b"\x00\x00\x00\x03LOW"
        + null * 2
        + b"\x00\x00\x00\x04\x00\x00\x09\xfb"
        b"\x00\x00\x00\x09kms_owner" + null
    )
    assert ENTRIES[0] == expected


@settings(deadline=None)
@given(ANY_ENTRY)
def test_values_come_back_from_their_bytes(given_columns: dict[str, Value]) -> None:
    entry = entry_from_columns(given_columns)
    assert columns(entry) == given_columns
    assert joined(fields(memoryview(entry))) == entry


@settings(deadline=None)
@given(ANY_ENTRY, ANY_ENTRY)
def test_other_values_have_other_bytes(one: dict[str, Value], other: dict[str, Value]) -> None:
    assert (entry_from_columns(one) == entry_from_columns(other)) == (one == other)


def test_null_is_not_the_empty_text() -> None:
    entry = example("NULL wherever a column may be")
    assert entry_from_columns(entry) != entry_from_columns(entry | {"user_id": ""})
    assert entry_from_columns(entry | {"user_id": "ab", "session_id": "c"}) != entry_from_columns(
        entry | {"user_id": "a", "session_id": "bc"}
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "0193A5B2-7C10-7000-8000-000000000001"},
        {"id": "0193a5b27c1070008000000000000001"},
        {"id": 7},
        {"sequence": "7"},
        {"sequence": True},
        {"sequence": 2**63},
        {"risk_score": 2**31},
        {"event_type": 7},
        {"event_type": "\ud800"},
        {"timestamp": "2026-11-25T12:00:00Z"},
        {"timestamp": "2026-11-25T24:00:00.000000Z"},
        {"timestamp": "2026-11-25T12:00:00,000000Z"},
        {"timestamp": "2026-11-25 12:00:00.000000Z"},
        {"timestamp": "2026-11-25T12:00:00.000+00Z"},
        {"timestamp": "2026-11-25T12:00:00.000000+00:00"},
        {"timestamp": "2026-11-31T12:00:00.000000Z"},
        {"timestamp": "\uff12026-11-25T12:00:00.000000Z"},
        {"timestamp": 0},
        {"timestamp": 1.5},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_value_that_is_not_of_its_type_is_refused_by_name(wrong: dict[str, Value]) -> None:
    with pytest.raises(EncodingError, match=next(iter(wrong))):
        entry_from_columns(example("NULL wherever a column may be") | wrong)


def test_a_missing_and_an_unknown_column_are_named() -> None:
    entry = example("NULL wherever a column may be")
    with pytest.raises(EncodingError, match="colour"):
        entry_from_columns(entry | {"colour": "red"})
    del entry["user_id"]
    with pytest.raises(EncodingError, match="user_id"):
        entry_from_columns(entry)


def test_identity_is_read_without_the_rest() -> None:
    for vector, entry in zip(VECTORS, ENTRIES, strict=True):
        assert str(identity(entry)[0]) == vector["columns"]["id"]
        assert sequence_of(entry) == vector["columns"]["sequence"]


@pytest.mark.parametrize("column", ["id", "sequence"])
def test_an_entry_without_id_or_sequence_has_no_identity(column: str) -> None:
    entry = entry_from_columns(example("NULL wherever a column may be") | {column: None})
    with pytest.raises(EncodingError, match="id and sequence"):
        identity(entry)


@pytest.mark.parametrize("at", range(0, len(ENTRIES[0]), 3))
def test_a_shortened_entry_has_no_fields(at: int) -> None:
    with pytest.raises(EncodingError):
        fields(ENTRIES[0][:at])


def test_a_lengthened_entry_has_no_fields() -> None:
    with pytest.raises(EncodingError, match="1 bytes follow"):
        fields(ENTRIES[0] + b"\x00")


def test_a_length_beyond_the_entry_is_refused() -> None:
    entry = joined([b"ab" if column == "additional_metadata" else None for column in COLUMNS])
    with pytest.raises(EncodingError, match="within additional_metadata"):
        fields(entry[:-3] + b"\x03ab")


def test_an_id_of_another_length_is_no_identity() -> None:
    entry = bytearray(ENTRIES[0])
    entry[len(PREFIX) + 3] = 17
    with pytest.raises(EncodingError, match="id and sequence"):
        identity(bytes(entry))


def test_a_text_that_is_no_utf8_has_no_columns() -> None:
    with pytest.raises(EncodingError, match="user_id"):
        columns(joined([b"\xff" if column == "user_id" else None for column in COLUMNS]))


@settings(deadline=None)
@given(st.lists(st.integers(0, 400), max_size=30))
def test_a_stream_gives_its_entries_in_pieces_of_any_size(sizes: list[int]) -> None:
    assert [bytes(entry) for entry in entries(pieces(STREAM, *sizes))] == ENTRIES
    assert [bytes(entry) for entry in entries(map(memoryview, pieces(STREAM, *sizes)))] == ENTRIES


def test_a_stream_of_single_bytes_gives_its_entries() -> None:
    assert [bytes(entry) for entry in entries(STREAM[at : at + 1] for at in range(len(STREAM)))] == ENTRIES


def test_a_piece_that_is_a_tuple_is_not_copied() -> None:
    (entry,) = entries([HEADER, ENTRIES[1], b"\xff\xff"])
    assert entry is ENTRIES[1]


def test_a_header_extension_is_skipped() -> None:
    assert list(entries([SIGNATURE + struct.pack(">Ii", 3, 5) + b"extra" + b"\xff\xff"])) == []


def test_a_stream_without_its_trailer_is_refused() -> None:
    for end in range(len(STREAM)):
        with pytest.raises(EncodingError):
            list(entries([STREAM[:end]]))


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (b"PGCOPY\n\xff\r\n\1" + bytes(8) + b"\xff\xff", "not a binary COPY stream"),
        (SIGNATURE + struct.pack(">Ii", 1 << 16, 0) + b"\xff\xff", "not a binary COPY stream"),
        (SIGNATURE + struct.pack(">Ii", 0, -1) + b"\xff\xff", "not a binary COPY stream"),
        (STREAM + b"\x00", "continues after"),
        (HEADER + b"\x00\x12" + ENTRIES[0][2:] + b"\xff\xff", "not an audit entry"),
        (HEADER + ENTRIES[0].replace(b"entry/v1", b"entry/v2") + b"\xff\xff", "not an audit entry"),
        (HEADER + ENTRIES[0].replace(b"\0\0\0\x0bsystem", b"\xff\xff\xff\xfesystem") + b"\xff\xff", "negative length"),
    ],
    ids=["signature", "flags", "extension", "after the end", "fields", "tag", "negative length"],
)
def test_a_stream_of_another_form_is_refused(stream: bytes, says: str) -> None:
    for cut in (stream, stream[:40]):
        with pytest.raises(EncodingError, match=says):
            list(entries([cut, stream[len(cut) :]]))


def test_a_stream_that_goes_on_in_a_later_piece_is_refused() -> None:
    with pytest.raises(EncodingError, match="continues after"):
        list(entries([STREAM, b"", b"\x00"]))


def test_the_prefix_is_what_rfc_6962_puts_before_a_leaf() -> None:
    assert PREFIX[:1] == b"\x00"
