"""Ciphertexts in both directions against `tink`, which did not make ours and has none of our code."""

import io
import secrets
from typing import Any

import pytest
import tink

from kms_schema.crypto import Secret
from kms_schema.keyring.formats import streams
from kms_schema.keyring.formats.messages import message_cipher
from kms_schema.keyring.formats.prefix import PREFIX_BYTES, Algorithm, Form, write_prefix
from kms_schema.keyring.formats.streams import decrypt_stream, encrypt_stream, stream_key
from tests.keyring import tink_keys

EACH = pytest.mark.parametrize("algorithm", list(Algorithm))
LENGTHS = pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 100, 70_000])
TAGS = [1, 0x0A0B0C0D, 2**32 - 1]


@EACH
@LENGTHS
def test_tink_opens_ours_and_we_open_tinks(algorithm: Algorithm, length: int) -> None:
    plaintext = secrets.token_bytes(length)
    for tag in TAGS:
        for aad in (b"", b"invoice/17/iban"):
            key = secrets.token_bytes(32)
            theirs, ours = (
                tink_keys.message_key(algorithm, tag, key),
                message_cipher(algorithm, tag, Secret.copy_of(key)),
            )
            assert theirs.decrypt(ours.encrypt(plaintext, aad=aad), aad) == plaintext
            blob = theirs.encrypt(plaintext, aad)
            assert len(blob) == algorithm.ciphertext_bytes(length)
            assert ours.decrypt(blob, aad=aad) == plaintext


@EACH
def test_tink_opens_neither_other_associated_data_nor_another_tag(algorithm: Algorithm) -> None:
    key = secrets.token_bytes(32)
    blob = message_cipher(algorithm, 7, Secret.copy_of(key)).encrypt(b"DE89 3704", aad=b"a")
    for tag, aad in ((7, b"b"), (8, b"a")):
        with pytest.raises(tink.TinkError):
            tink_keys.message_key(algorithm, tag, key).decrypt(blob, aad)


def tink_stream(material: Secret, segment_bytes: int | None = None) -> Any:
    with stream_key(material) as key:
        return tink_keys.stream_key(bytes(key.view), segment_bytes)


FIRST, NEXT = 2**20 - 56, 2**20 - 16
"""The plaintext of the first segment, and of each that follows it."""


@pytest.mark.parametrize("length", [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + NEXT, FIRST + NEXT + 1, 3 * 2**20 + 5])
def test_streams_of_one_mebibyte_segments(length: int) -> None:
    plaintext, material, tag, aad = secrets.token_bytes(length), Secret(bytearray(secrets.token_bytes(32))), 77, b"file"
    key = tink_stream(material)
    blob = b"".join(encrypt_stream(io.BytesIO(plaintext), material, tag=tag, aad=aad))
    assert tink_keys.decrypted_stream(key, blob[PREFIX_BYTES:], blob[:PREFIX_BYTES] + aad) == plaintext
    theirs = tink_keys.encrypted_stream(key, plaintext, write_prefix(Form.STREAM, tag) + aad)
    assert len(theirs) + PREFIX_BYTES == len(blob) == streams.stream_bytes(length)
    assert b"".join(decrypt_stream(io.BytesIO(theirs), material, tag=tag, aad=aad)) == plaintext


@pytest.mark.parametrize("segment", [57, 64, 100])
def test_streams_of_every_length_in_small_segments(segment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small segments reach what takes mebibytes otherwise: Tink has their length in its key, we as a constant."""
    monkeypatch.setattr(streams, "SEGMENT_BYTES", segment)
    material = Secret(bytearray(secrets.token_bytes(32)))
    key = tink_stream(material, segment)
    for length in range(3 * segment):
        plaintext = secrets.token_bytes(length)
        blob = b"".join(encrypt_stream(io.BytesIO(plaintext), material, tag=1, aad=b"f"))
        assert tink_keys.decrypted_stream(key, blob[PREFIX_BYTES:], blob[:PREFIX_BYTES] + b"f") == plaintext
        theirs = tink_keys.encrypted_stream(key, plaintext, blob[:PREFIX_BYTES] + b"f")
        assert b"".join(decrypt_stream(io.BytesIO(theirs), material, tag=1, aad=b"f")) == plaintext


def test_an_empty_segment_at_the_end_opens_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither makes one: 8 bytes fill the first segment, and then nothing follows."""
    monkeypatch.setattr(streams, "SEGMENT_BYTES", 64)
    material, prefix, nonce_prefix = Secret(bytearray(32)), write_prefix(Form.STREAM, 1), bytes(7)
    cipher = streams._segment_cipher(material, prefix, bytes(32), b"")
    start = bytes([40]) + bytes(32) + nonce_prefix

    def part(number: int, is_last: bool, plaintext: bytes) -> bytes:
        return cipher.encrypt(streams._nonce(nonce_prefix, number, is_last), plaintext, None)

    whole, with_empty = part(0, True, b"8 bytes!"), part(0, False, b"8 bytes!") + part(1, True, b"")
    assert b"".join(decrypt_stream(io.BytesIO(start + whole), material, tag=1, aad=b"")) == b"8 bytes!"
    assert tink_keys.decrypted_stream(tink_stream(material, 64), start + whole, prefix) == b"8 bytes!"
    assert b"".join(decrypt_stream(io.BytesIO(start + with_empty), material, tag=1, aad=b"")) == b"8 bytes!"
    assert tink_keys.decrypted_stream(tink_stream(material, 64), start + with_empty, prefix) == b"8 bytes!"
