"""What an envelope is bound to has one encoding, and no other row has the same."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms_schema.crypto.bindings import StoredKey, of_configuration, of_key_version
from kms_schema.envelope_format import fields
from kms_schema.models import HsmConfiguration

ID, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
KEY = StoredKey(ID, "orders", "dek", "AES-256", 256)
LISTS = st.lists(st.binary(max_size=5), max_size=5)


@given(LISTS, LISTS)
def test_different_fields_have_different_bytes(one: list[bytes], other: list[bytes]) -> None:
    assert (fields(*one) == fields(*other)) == (one == other)


@given(st.lists(st.binary(min_size=1, max_size=3), min_size=2, max_size=2))
def test_a_byte_that_moves_into_the_next_field_is_seen(pair: list[bytes]) -> None:
    one, other = pair
    assert fields(one, other) != fields(one + other[:1], other[1:])


@pytest.mark.parametrize(
    "place",
    [
        of_key_version(OTHER, 1, KEY),
        of_key_version(ID, 2, KEY),
        of_key_version(ID, 1, KEY._replace(id=OTHER)),
        of_key_version(ID, 1, KEY._replace(key_id="payments")),
        of_key_version(ID, 1, KEY._replace(key_type="kek")),
        of_key_version(ID, 1, KEY._replace(algorithm="HMAC")),
        of_key_version(ID, 1, KEY._replace(key_id="order", key_type="sdek")),
        of_configuration(HsmConfiguration(id=ID)),
    ],
    ids=["version", "number", "master", "name", "type", "algorithm", "boundary", "table"],
)
def test_no_other_row_has_the_same(place: bytes) -> None:
    assert place != of_key_version(ID, 1, KEY)
