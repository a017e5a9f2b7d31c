"""The column type: what is no envelope does not get as far as the database, its log or an error."""

import json
import logging

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from kms_schema.envelope_format import EnvelopeFormat, NotAnEnvelopeError, format_of
from kms_schema.models import HsmConfiguration, KeyMaster, KeyVersion
from kms_schema.models.envelopes import PossiblePlaintextError
from kms_schema.vocabulary import HsmProvider, KeyType
from support.engines import Database
from support.rows.smallest import envelope, unique

PIN = "0000-1234"
PLAINTEXTS = [PIN.encode(), json.dumps({"pin": PIN}), b"\x01" + PIN.encode(), b"\x03" + PIN.encode() * 9, b"", [PIN]]
GCM, KWP = EnvelopeFormat


@pytest.mark.parametrize("plaintext", PLAINTEXTS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("model", [KeyVersion, HsmConfiguration])
def test_plaintext_is_refused_and_never_sent(
    database: Database, caplog: pytest.LogCaptureFixture, plaintext: object, model: type
) -> None:
    caplog.set_level(logging.DEBUG)
    engine = sa.create_engine(database.engine().url, echo="debug")
    with Session(engine) as session:
        if model is KeyVersion:
            key = KeyMaster(key_id=unique("key"), key_type=KeyType.DEK, algorithm="AES", key_size_bits=256)
            session.add(KeyVersion(key=key, version_number=1, encrypted_key_data=plaintext, wrapping_key_ref="kms://r"))
        else:
            named = {"provider": HsmProvider.PKCS11, "configuration_name": unique("hsm")}
            session.add(HsmConfiguration(**named, authentication_config=plaintext))
        with pytest.raises(PossiblePlaintextError) as raised:
            session.flush()
    engine.dispose()
    assert PIN not in str(raised.value)
    assert "BEGIN" in caplog.text
    assert PIN not in caplog.text


def test_statements_without_the_orm_are_refused_alike(database: Database) -> None:
    engine = database.engine()
    with engine.begin() as connection, pytest.raises(PossiblePlaintextError):
        connection.execute(sa.update(HsmConfiguration).values(authentication_config=PIN.encode()))
    engine.dispose()


def test_credentials_are_no_wrapped_key(database: Database) -> None:
    engine = database.engine()
    with engine.begin() as connection, pytest.raises(PossiblePlaintextError, match="does not accept AES-256-KWP"):
        connection.execute(sa.update(HsmConfiguration).values(authentication_config=b"\x02" + bytes(40)))
    engine.dispose()


def test_a_condition_may_compare_with_anything(database: Database) -> None:
    engine = database.engine()
    with engine.begin() as connection:
        found = sa.select(sa.func.count()).where(KeyVersion.encrypted_key_data == b"anything")
        assert connection.scalar(found) == 0
    engine.dispose()


@given(st.sampled_from(EnvelopeFormat), st.integers(1, 5000))
def test_an_envelope_is_known_by_its_first_byte_and_its_length(form: EnvelopeFormat, plaintext: int) -> None:
    made = form.prefix + bytes(form.size(plaintext) - 1)
    assert format_of(made) is form
    assert len(envelope(plaintext * 8)) == GCM.size(plaintext)


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 61, b"\x03" * 61, b"\x01", b"\x01" * 29, b"\x02" * 16, b"\x02" * 9, b"\x02" * 40]
)
def test_what_is_no_envelope_is_not_taken_for_one(data: bytes) -> None:
    with pytest.raises(NotAnEnvelopeError):
        format_of(data)


def test_the_shortest_envelopes() -> None:
    assert format_of(b"\x01" * 30) is GCM
    assert format_of(b"\x02" * 17) is KWP
