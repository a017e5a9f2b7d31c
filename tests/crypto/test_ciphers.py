"""The two ciphers against what others published, and what an envelope refuses."""

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from kms_schema.crypto import EnvelopeFormat, MaterialError, OpeningRefusedError, WrappingKeyError, ciphers
from kms_schema.crypto.ciphers import decrypt, decrypt_gcm, decrypt_kwp, encrypt, encrypt_gcm, encrypt_kwp
from tests.crypto.published_vectors import read

KEY = bytes(range(32))
PLACE = b"the place of a row"
BOTH = pytest.mark.parametrize("form", list(EnvelopeFormat))


def numbered(vector: dict[str, Any]) -> str:
    return str(vector["tcId"]) if "tcId" in vector else f"{vector['file']}-{vector['count']}-{len(vector['C'])}"


@pytest.mark.parametrize("vector", read("wycheproof_aes_gcm"), ids=numbered)
def test_wycheproof_aes_gcm(vector: dict[str, Any]) -> None:
    key, nonce, bound, plaintext, ciphertext, tag = (
        bytes.fromhex(vector[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")
    )
    if vector["result"] == "invalid":
        with pytest.raises(OpeningRefusedError):
            decrypt_gcm(key, nonce + ciphertext + tag, bound)
        return
    assert encrypt_gcm(key, nonce, plaintext, bound) == nonce + ciphertext + tag
    with decrypt_gcm(key, nonce + ciphertext + tag, bound) as opened:
        assert bytes(opened.view) == plaintext if plaintext else len(opened) == 0


@pytest.mark.parametrize("vector", read("wycheproof_aes_kwp"), ids=numbered)
def test_wycheproof_aes_kwp(vector: dict[str, Any]) -> None:
    key, plaintext, wrapped = (bytes.fromhex(vector[name]) for name in ("key", "msg", "ct"))
    if vector["result"] == "invalid":
        with pytest.raises(OpeningRefusedError):
            decrypt_kwp(key, wrapped)
        return
    assert encrypt_kwp(key, plaintext) == wrapped
    with decrypt_kwp(key, wrapped) as opened:
        assert bytes(opened.view) == plaintext


@pytest.mark.parametrize("vector", read("nist_kwp"), ids=numbered)
def test_nist_aes_kwp(vector: dict[str, Any]) -> None:
    key, wrapped = bytes.fromhex(vector["K"]), bytes.fromhex(vector["C"])
    if vector["P"] is None:
        with pytest.raises(OpeningRefusedError):
            decrypt_kwp(key, wrapped)
        return
    assert encrypt_kwp(key, bytes.fromhex(vector["P"])) == wrapped
    with decrypt_kwp(key, wrapped) as opened:
        assert opened.view.hex() == vector["P"]


RFC_5649 = {
    "c37b7e6492584340bed12207808941155068f738": "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
    "466f7250617369": "afbeb0f07dfbf5419200f2ccb50bb24f",
}


@pytest.mark.parametrize("plaintext", RFC_5649)
def test_the_examples_of_rfc_5649(plaintext: str) -> None:
    key = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
    assert encrypt_kwp(key, bytes.fromhex(plaintext)).hex() == RFC_5649[plaintext]
    with decrypt_kwp(key, bytes.fromhex(RFC_5649[plaintext])) as opened:
        assert opened.view.hex() == plaintext


@given(
    key=st.binary(min_size=32, max_size=32),
    form=st.sampled_from(EnvelopeFormat),
    plaintext=st.binary(min_size=1, max_size=600),
    place=st.binary(max_size=200),
)
def test_what_goes_in_comes_out(key: bytes, form: EnvelopeFormat, plaintext: bytes, place: bytes) -> None:
    envelope = encrypt(key, form, plaintext, place)
    assert envelope[0] == form
    assert len(envelope) == form.size(len(plaintext))
    with decrypt(key, envelope, place) as opened:
        assert bytes(opened.view) == plaintext


def flipped(data: bytes) -> list[bytes]:
    """Return the data with each of its bits changed in turn."""
    return [bytes([*data[: i // 8], data[i // 8] ^ 1 << i % 8, *data[i // 8 + 1 :]]) for i in range(8 * len(data))]


@BOTH
def test_each_bit_of_envelope_place_and_key_counts(form: EnvelopeFormat) -> None:
    envelope = encrypt(KEY, form, b"k" * 32, PLACE)
    attempts = [(KEY, changed, PLACE) for changed in flipped(envelope)]
    attempts += [(KEY, envelope, changed) for changed in flipped(PLACE)]
    attempts += [(changed, envelope, PLACE) for changed in flipped(KEY)]
    for key, changed, place in attempts:
        with pytest.raises(OpeningRefusedError):
            decrypt(key, changed, place)


@BOTH
@pytest.mark.parametrize("size", [1, 8, 32])
def test_no_part_of_an_envelope_opens(form: EnvelopeFormat, size: int) -> None:
    envelope = encrypt(KEY, form, b"k" * size, PLACE)
    for changed in [envelope[:length] for length in range(len(envelope))] + [envelope + b"\0", envelope * 2]:
        with pytest.raises(OpeningRefusedError):
            decrypt(KEY, changed, PLACE)


def test_a_nonce_that_comes_twice_does_no_harm_in_two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under one key it would show the difference of two plaintexts, and GCM's authentication key with it."""
    monkeypatch.setattr(ciphers.os, "urandom", bytes)
    first, second = b"a" * 32, b"b" * 32
    here, there = (
        encrypt(KEY, EnvelopeFormat.AES_256_GCM, text, place) for text, place in [(first, b"1"), (second, b"2")]
    )
    assert here[1:13] == there[1:13] == bytes(12)
    difference = bytes(x ^ y for x, y in zip(here[13:45], there[13:45], strict=True))
    assert difference != bytes(x ^ y for x, y in zip(first, second, strict=True))


def test_a_wrapping_key_encrypts_nothing_by_itself() -> None:
    envelope = encrypt(KEY, EnvelopeFormat.AES_256_GCM, b"k" * 32, PLACE)
    with pytest.raises(InvalidTag):
        AESGCM(KEY).decrypt(envelope[1:13], envelope[13:], PLACE)
    with pytest.raises(OpeningRefusedError):
        decrypt_kwp(KEY, encrypt(KEY, EnvelopeFormat.AES_256_KWP, b"k" * 32, PLACE)[1:])


def test_each_place_and_each_algorithm_has_a_key_of_its_own() -> None:
    derived = [ciphers.derive(KEY, form, place) for form in EnvelopeFormat for place in (b"", b"\0", b"1", b"2")]
    assert len({bytes(key.view) for key in derived}) == len(derived)


def test_nonces_differ() -> None:
    envelopes = [encrypt(KEY, EnvelopeFormat.AES_256_GCM, b"k", PLACE) for _ in range(100)]
    assert len({envelope[1:13] for envelope in envelopes}) == 100


@BOTH
@pytest.mark.parametrize("size", [0, 16, 24, 31, 33, 64])
def test_a_wrapping_key_is_of_256_bits(form: EnvelopeFormat, size: int) -> None:
    with pytest.raises(WrappingKeyError, match=f"this one has {size}"):
        encrypt(bytes(size), form, b"k", PLACE)


@BOTH
def test_nothing_is_not_encrypted(form: EnvelopeFormat) -> None:
    with pytest.raises(MaterialError):
        encrypt(KEY, form, b"", PLACE)
