"""With write access to every row and no triggers, no key opens under another name, number, use or place."""

import json
import secrets
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from kms_schema.crypto import EnvelopeFormat, KeyWrapping, OpeningRefusedError, WrappingKeyError
from kms_schema.crypto.bindings import StoredKey, of_configuration, of_key_version
from kms_schema.envelope_format import fields
from kms_schema.models import HsmConfiguration, KeyVersion
from kms_schema.vocabulary import KeyType
from support.engines import Database
from support.errors import raises
from tests.crypto.wrapped_trees import NEXT_ROOT, ROOT, a_key, an_hsm, kept, with_triggers_disabled

BOTH = pytest.mark.parametrize("form", list(EnvelopeFormat))
MOVED = ("encrypted_key_data", "key_checksum", "encryption_metadata")


def refused(session: Session, wrapping: KeyWrapping, version: KeyVersion) -> None:
    session.rollback()
    with pytest.raises(OpeningRefusedError) as raised:
        wrapping.unwrap(version)
    assert raised.value.reason is None, "the check value refused it, and not what the envelope is bound to"


@BOTH
def test_material_of_another_row_is_refused(
    database: Database, session: Session, wrapping: KeyWrapping, form: EnvelopeFormat
) -> None:
    """Of another key, and of another version of the same key; with and without what else the row says of it."""
    key, kek = a_key(), kept(session, wrapping, a_key(KeyType.KEK))
    rows = [
        (
            *(kept(session, wrapping, key, under, form=form) for _ in range(2)),
            kept(session, wrapping, a_key(), under, form=form),
        )
        for under in (ROOT, kek)
    ]
    for version, later, other in rows:
        for source in (later, other):
            everything = {column: getattr(source, column) for column in MOVED}
            for taken in (everything, {"encrypted_key_data": everything["encrypted_key_data"]}):
                with_triggers_disabled(database, "key_versions", version.id, **taken)
                refused(session, wrapping, version)


IDENTITIES = [
    ("version_number", "2"),
    ("key_id", "another"),
    ("key_type", "tls"),
    ("algorithm", "HMAC-SHA-256"),
    ("key_size_bits", "257"),
]


@BOTH
@pytest.mark.parametrize("change", IDENTITIES, ids="-".join)
def test_a_row_that_became_another_is_refused(
    database: Database, session: Session, wrapping: KeyWrapping, form: EnvelopeFormat, change: tuple[str, str]
) -> None:
    version = kept(session, wrapping, a_key(), form=form)
    column, value = change
    row = version if column == "version_number" else version.key
    with_triggers_disabled(database, row.__tablename__, row.id, **{column: int(value) if value.isdigit() else value})
    refused(session, wrapping, version)


@BOTH
def test_a_row_under_another_id_is_refused(
    database: Database, session: Session, wrapping: KeyWrapping, form: EnvelopeFormat
) -> None:
    version = kept(session, wrapping, a_key(), form=form)
    old, new = version.id, uuid.uuid4()
    session.close()
    with_triggers_disabled(database, "key_versions", old, id=new)
    refused(session, wrapping, session.get_one(KeyVersion, new))


def test_another_wrapper_is_refused(database: Database, session: Session, wrapping: KeyWrapping) -> None:
    kek, other = (kept(session, wrapping, a_key(KeyType.KEK)) for _ in range(2))
    version = kept(session, wrapping, a_key(), kek)
    other_id = other.id
    for wrappers in ((None, ROOT), (None, NEXT_ROOT), (other_id, None)):
        change = dict(zip(("wrapped_by_version_id", "wrapping_key_ref"), wrappers, strict=True))
        with_triggers_disabled(database, "key_versions", version.id, **change)
        refused(session, wrapping, version)


def test_another_check_value_is_refused(database: Database, session: Session, wrapping: KeyWrapping) -> None:
    version = kept(session, wrapping, a_key())
    row = version.id
    with_triggers_disabled(database, "key_versions", row, key_checksum=secrets.token_hex(32))
    session.rollback()
    with raises(OpeningRefusedError, "check_value", match=version.key.key_id):
        wrapping.unwrap(version)


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"format": 2, "algorithm": "AES-256-KWP", "associated_data": "x"}, "does not name the format of the envelope"),
        ({"format": 1, "algorithm": "AES-256-GCM", "associated_data": "orders-2026"}, "another program"),
    ],
    ids=["format", "program"],
)
def test_metadata_of_something_else_says_so(
    database: Database, session: Session, wrapping: KeyWrapping, named: dict[str, Any], why: str
) -> None:
    version = kept(session, wrapping, a_key())
    row = version.id
    with_triggers_disabled(database, "key_versions", row, encryption_metadata=json.dumps(named))
    session.rollback()
    with pytest.raises(OpeningRefusedError, match=why):
        wrapping.unwrap(version)


def test_wrappers_in_a_circle_do_not_go_round_for_ever(
    database: Database, session: Session, wrapping: KeyWrapping
) -> None:
    first = kept(session, wrapping, a_key(KeyType.KEK))
    second = kept(session, wrapping, a_key(KeyType.KEK), first)
    dek = kept(session, wrapping, a_key(), second)
    first_id, second_id = first.id, second.id
    with_triggers_disabled(database, "key_versions", first_id, wrapped_by_version_id=second_id, wrapping_key_ref=None)
    session.rollback()
    for version in (dek, first, second):
        with pytest.raises(WrappingKeyError, match="wrapped by itself"):
            wrapping.unwrap(version)


def test_credentials_of_another_row_or_column_are_refused(
    database: Database, session: Session, wrapping: KeyWrapping
) -> None:
    one, other = an_hsm(), an_hsm()
    wrapping.encrypt_credentials(one, {"pin": "1"}, under=ROOT)
    wrapping.encrypt_credentials(other, {"pin": "2"}, under=ROOT)
    version = wrapping.generate(a_key(), under=ROOT)
    version.id = one.id  # an id says which row of its table; the column is bound, too
    session.add_all((one, other, version))
    session.commit()
    row, elsewhere, material = one.id, other.authentication_config, version.encrypted_key_data
    for taken in (elsewhere, material):
        with_triggers_disabled(database, "hsm_configurations", row, authentication_config=taken)
        session.rollback()
        with pytest.raises(OpeningRefusedError):
            wrapping.decrypt_credentials(session.get_one(HsmConfiguration, row), ROOT)


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
