"""Versions and credentials through the models, as an application writes and reads them, on real databases."""

import datetime as dt

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm import Session

from kms_schema.crypto import (
    EnvelopeFormat,
    KeyWrapping,
    MaterialError,
    NoMaterialError,
    OpeningRefusedError,
    RootKeys,
    Secret,
    SecretRoot,
    WrappingKeyError,
    key_check_value,
)
from kms_schema.crypto.bindings import time_ordered_id
from kms_schema.models import HsmConfiguration, KeyVersion, current_time
from kms_schema.vocabulary import HsmProvider, KeyType
from tests.crypto.wrapped_trees import NEXT_ROOT, ROOT, a_key, an_hsm, formats, kept, opened

GCM, KWP = EnvelopeFormat
BOTH = pytest.mark.parametrize("form", list(EnvelopeFormat))
KEY_SIZES = [1, 8, 56, 128, 192, 256, 384, 521, 2048, 9736]


@BOTH
def test_the_database_takes_each_key_size(session: Session, wrapping: KeyWrapping, form: EnvelopeFormat) -> None:
    kek = kept(session, wrapping, a_key(KeyType.KEK))
    for bits in KEY_SIZES:
        for under in (ROOT, kek):
            version = kept(session, wrapping, a_key(bits=bits), under, form=form)
            session.expire_all()
            material = opened(wrapping, version)
            assert len(material) == (bits + 7) // 8
            assert int.from_bytes(material, "big") < 1 << bits
            assert formats(version) == (form, form)
            assert version.key_checksum == key_check_value(material, version.key.key_id, 1)


@BOTH
def test_material_that_was_made_elsewhere_comes_back(
    session: Session, wrapping: KeyWrapping, form: EnvelopeFormat
) -> None:
    encoded = b"a private key in PKCS#8, which is whatever it is"
    key = a_key(KeyType.TLS, 8 * len(encoded))
    with Secret.copy_of(encoded) as material:
        session.add(wrapping.wrap(key, material, under=ROOT, form=form))
    session.commit()
    assert opened(wrapping, key.versions[0]) == encoded


def test_versions_are_numbered_and_have_keys_of_their_own(session: Session, wrapping: KeyWrapping) -> None:
    key = a_key()
    versions = [kept(session, wrapping, key) for _ in range(3)] + [kept(session, wrapping, key, version_number=9)]
    assert [version.version_number for version in versions] == [1, 2, 3, 9]
    assert len({opened(wrapping, version) for version in versions}) == 4


def test_a_version_goes_live_as_any_other(session: Session, wrapping: KeyWrapping) -> None:
    version = wrapping.generate(a_key(), under=ROOT)
    version.created_at = version.activated_at = current_time()  # type: ignore[assignment]
    session.add(version)
    session.commit()
    assert version.is_live


def test_another_session_opens_it_with_the_root_key_alone(session: Session, wrapping: KeyWrapping) -> None:
    kek = kept(session, wrapping, a_key(KeyType.KEK))
    middle = kept(session, wrapping, a_key(KeyType.KEK), kek, form=KWP)
    dek = kept(session, wrapping, a_key(), middle)
    material = opened(wrapping, dek)
    with Session(session.get_bind()) as other:
        assert opened(wrapping, other.get_one(KeyVersion, dek.id)) == material
        with wrapping.unwrap(other.get_one(KeyVersion, dek.id)) as key:
            assert AESGCM(key.view).encrypt(bytes(12), b"text", None)


@BOTH
def test_rewrapping_keeps_the_key(session: Session, wrapping: KeyWrapping, form: EnvelopeFormat) -> None:
    first, second = (kept(session, wrapping, a_key(KeyType.KEK)) for _ in range(2))
    dek = kept(session, wrapping, a_key(), first, form=form)
    material, checksum = opened(wrapping, dek), dek.key_checksum
    for wrapper in (second, ROOT, NEXT_ROOT, first):
        wrapping.rewrap(dek, under=wrapper)
        session.commit()
        assert (dek.wrapping_key_ref or dek.wrapped_by) == wrapper
        assert (opened(wrapping, dek), dek.key_checksum) == (material, checksum)
        assert formats(dek) == (form, form)
        with pytest.raises(WrappingKeyError, match="already"):
            wrapping.rewrap(dek, under=wrapper)
    wrapping.rewrap(dek, under=ROOT, form=KWP if form is GCM else GCM)
    session.commit()
    assert formats(dek)[0] != form
    assert opened(wrapping, dek) == material


def test_the_old_wrapper_is_not_needed_after_a_rewrap(session: Session, wrapping: KeyWrapping) -> None:
    kek = kept(session, wrapping, a_key(KeyType.KEK))
    dek = kept(session, wrapping, a_key(), kek)
    material = opened(wrapping, dek)
    wrapping.rewrap(dek, under=ROOT)
    session.flush()  # or the database may be told of the destruction first
    kek.encrypted_key_data, kek.destroyed_at = None, dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    session.commit()
    assert opened(wrapping, dek) == material


def test_what_cannot_wrap_is_refused(session: Session, wrapping: KeyWrapping) -> None:
    key = a_key(KeyType.KEK)
    sibling, small = kept(session, wrapping, key), kept(session, wrapping, a_key(KeyType.KEK, 128))
    data_key = kept(session, wrapping, a_key())
    for under, why in (
        ("kms://nowhere", "'kms://nowhere'"),
        (sibling, "the same key"),
        (small, "has 16"),
        (data_key, "is not a key encryption key"),
    ):
        with pytest.raises(WrappingKeyError, match=why):
            wrapping.generate(key, under=under)


def test_material_is_of_the_size_of_its_key(wrapping: KeyWrapping) -> None:
    for size in (0, 31, 33):
        with pytest.raises(MaterialError, match="256 bits"), Secret.copy_of(bytes(size)) as material:
            wrapping.wrap(a_key(), material, under=ROOT)


def test_what_has_no_material_says_why(session: Session, wrapping: KeyWrapping) -> None:
    held = a_key(KeyType.HSM, hsm_provider=HsmProvider.PKCS11, hsm_key_id="handle-1")
    handle = KeyVersion(key=held, version_number=1, hsm_key_id="object-1")
    gone = kept(session, wrapping, a_key())
    gone.encrypted_key_data, gone.destroyed_at = None, dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    session.add(handle)
    session.commit()
    for version, why in ((handle, "held in an HSM"), (gone, "destroyed")):
        with pytest.raises(NoMaterialError, match=why):
            wrapping.unwrap(version)
        with pytest.raises(NoMaterialError, match=why):
            wrapping.rewrap(version, under=NEXT_ROOT)
    with pytest.raises(NoMaterialError, match="held in an HSM"):
        wrapping.generate(held, under=ROOT)


class Counting(SecretRoot):
    """A root that counts its calls, as a cloud bills them."""

    calls = 0

    def derive(self, message: bytes) -> Secret:
        self.calls += 1
        return super().derive(message)


def test_a_key_that_is_held_open_asks_its_root_once(session: Session) -> None:
    provider = Counting(Secret(bytearray(bytes(range(32)))))
    wrapping = KeyWrapping(RootKeys({ROOT: provider}))
    kek = kept(session, wrapping, a_key(KeyType.KEK))
    deks = [kept(session, wrapping, a_key(), kek) for _ in range(3)]
    provider.calls = 0
    with wrapping.holding(kek), wrapping.holding(kek):
        assert len({opened(wrapping, dek) for dek in deks}) == 3
        assert provider.calls == 1
    opened(wrapping, deks[0])
    assert provider.calls == 2
    with pytest.raises(WrappingKeyError, match="is not a key encryption key"), wrapping.holding(deks[0]):
        pass


CREDENTIALS = {"user": "kms", "pin": "0000-1234", "partitions": [1, 2], "name": "Schlüssel 鍵"}


def test_credentials_come_back(session: Session, wrapping: KeyWrapping) -> None:
    hsm = an_hsm()
    wrapping.encrypt_credentials(hsm, CREDENTIALS, under=ROOT)
    session.add(hsm)
    session.commit()
    with Session(session.get_bind()) as other:
        read = other.scalars(sa.select(HsmConfiguration)).one()
        assert wrapping.decrypt_credentials(read, ROOT) == CREDENTIALS
        assert wrapping.decrypt_credentials(read, NEXT_ROOT, ROOT) == CREDENTIALS
        wrapping.encrypt_credentials(read, {}, under=NEXT_ROOT)
        other.commit()
        assert read.wrapping_key_ref == NEXT_ROOT
        assert wrapping.decrypt_credentials(read) == wrapping.decrypt_credentials(read, ROOT) == {}


def test_credentials_that_do_not_say_what_they_are_under_are_tried(session: Session, wrapping: KeyWrapping) -> None:
    """As a program stores them that leaves the column out."""
    hsm = an_hsm()
    wrapping.encrypt_credentials(hsm, CREDENTIALS, under=ROOT)
    hsm.wrapping_key_ref = None
    session.add(hsm)
    session.commit()
    assert wrapping.decrypt_credentials(hsm, NEXT_ROOT, ROOT) == CREDENTIALS
    with pytest.raises(OpeningRefusedError, match="under none of 'kms://root-2027'"):
        wrapping.decrypt_credentials(hsm, NEXT_ROOT)
    with pytest.raises(WrappingKeyError, match="the row names no wrapping key"):
        wrapping.decrypt_credentials(hsm)
    hsm.wrapping_key_ref = NEXT_ROOT  # a name that was kept by mistake
    assert wrapping.decrypt_credentials(hsm, ROOT) == CREDENTIALS


def test_credentials_need_a_key_and_a_row_that_has_some(wrapping: KeyWrapping) -> None:
    hsm = an_hsm()
    with pytest.raises(NoMaterialError, match=hsm.configuration_name):
        wrapping.decrypt_credentials(hsm, ROOT)
    with pytest.raises(WrappingKeyError, match="'kms://nowhere'"):
        wrapping.encrypt_credentials(hsm, CREDENTIALS, under="kms://nowhere")
    wrapping.encrypt_credentials(hsm, CREDENTIALS, under=ROOT)
    hsm.wrapping_key_ref = "kms://nowhere"
    with pytest.raises(WrappingKeyError, match="'kms://nowhere'"):
        wrapping.decrypt_credentials(hsm, ROOT)


def test_ids_are_of_version_7_and_in_the_order_of_time() -> None:
    before = dt.datetime.now(dt.UTC).timestamp() * 1000
    made = [time_ordered_id() for _ in range(1000)]
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    assert len(set(made)) == 1000
    assert [each.int >> 80 for each in made] == sorted(each.int >> 80 for each in made)
    assert 0 <= (made[0].int >> 80) - before + 1 < 1000
