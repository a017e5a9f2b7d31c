"""AES-256-GCM and AES key wrap with padding, each with a key that is derived for one row; check values of keys.

**Nonces.** NIST SP 800-38D (8.3) allows 2^32 encryptions with random 96-bit nonces under one key, and a key encryption
key may wrap more rows than that. A counter would have to be shared by every process with the key, also by restored
databases and cloned machines. So a wrapping key never encrypts. It derives a key for the row and column that the
envelope is bound to (NIST SP 800-108r1, counter mode, HMAC-SHA-256), and the derived key encrypts. The limit then
applies to each row, and each change of a row is an entry of the audit log, so 2^32 changes are noticed. The number of
rows under one wrapping key is not limited. Two rows may have the same nonce, as expected over 2^48 rows: their keys
differ.

A salt for each message would need more bytes than the format of the database has. Deriving from the nonce as well would
not make a repeated nonce in one row less likely.

**Binding.** AES key wrap has no associated data. Its key is derived in the same way, so an envelope of either format
opens only in its row and column. The label of the derivation names the algorithm: no derived key is used for both.

**Check values** identify a key without revealing it. One is HMAC-SHA-256 under the key itself, over a label, the key's
name and the version's number. Encrypted zeros, the usual check value, reveal equal keys and part of a cipher block;
this value differs for each version. It confirms a correct guess, so a key of less than 112 bits can be found by trying
all of them.
"""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from kms_schema.crypto.errors import MaterialError, OpeningRefusedError, WrappingKeyError
from kms_schema.crypto.secret import BytesLike, Secret
from kms_schema.envelope_format import ENCODING, EnvelopeFormat, NotAnEnvelopeError, fields, format_of

WRAPPING_KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_DERIVATION = "SP800-108-CTR-HMAC-SHA256"
"""The name of the derivation in `encryption_metadata`."""

_LABELS = {form: f"{ENCODING} {form.algorithm}".encode() for form in EnvelopeFormat}
_BLOCK_BYTES = 16
_CHECK_VALUE_LABEL = b"kms-schema/key-check-value/v1"
_REFUSAL = "the envelope does not open: it was changed or moved from its row, or it was made under another wrapping key"


def encrypt(key: BytesLike, form: EnvelopeFormat, plaintext: BytesLike, associated_data: bytes) -> bytes:
    """Return the envelope of `plaintext` (1 byte or more) under a 32-byte wrapping key, bound to `associated_data`.

    Raises `MaterialError` for empty plaintext, `WrappingKeyError` for a key of another length.
    """
    with derive(key, form, associated_data) as row_key:
        return encrypt_row(row_key, form, plaintext, associated_data)


def decrypt(key: BytesLike, envelope: bytes, associated_data: bytes) -> Secret:
    """Return the plaintext of an envelope of `encrypt` under the same key and `associated_data`.

    Raises `OpeningRefusedError` if it is not exactly the envelope that `encrypt` made with this key for this associated
    data. The message is the same for every cause, so that an attacker learns nothing from it. Raises `WrappingKeyError`
    as `encrypt` does.
    """
    with derive(key, form_of(envelope), associated_data) as row_key:
        return decrypt_row(row_key, envelope, associated_data)


def derive(key: BytesLike, form: EnvelopeFormat, associated_data: bytes) -> Secret:
    """Return the 32-byte key for the row of `associated_data` and the algorithm of `form`.

    Raises `WrappingKeyError` unless `key` has 32 bytes.
    """
    if len(key) != WRAPPING_KEY_BYTES:
        raise WrappingKeyError(f"a wrapping key has {WRAPPING_KEY_BYTES} bytes (AES-256), this one has {len(key)}")
    return hmac_sha256(key, derivation_message(form, associated_data))


def derivation_message(form: EnvelopeFormat, associated_data: bytes) -> bytes:
    """Return the message whose HMAC-SHA-256 under a wrapping key is the key of a row.

    It is the input of NIST SP 800-108r1 in counter mode for its only block. It has the counter, the label, a zero, the
    context, and the length of the key in bits. So a wrapping key may be wherever HMAC-SHA-256 is computed.
    """
    return b"\x00\x00\x00\x01" + _LABELS[form] + b"\x00" + associated_data + (8 * WRAPPING_KEY_BYTES).to_bytes(4)


def hmac_sha256(key: BytesLike, message: bytes) -> Secret:
    """Return HMAC-SHA-256, for the caller to wipe. The library makes a copy that cannot be wiped."""
    mac = HMAC(key, SHA256())
    mac.update(message)
    return Secret(bytearray(mac.finalize()))


def form_of(envelope: bytes) -> EnvelopeFormat:
    """Return the format of an envelope. Raises `OpeningRefusedError` if it has none."""
    try:
        return format_of(envelope)
    except NotAnEnvelopeError as error:
        raise OpeningRefusedError(str(error)) from None


def encrypt_row(row_key: Secret, form: EnvelopeFormat, plaintext: BytesLike, associated_data: bytes) -> bytes:
    """Return the envelope of `plaintext` under the key of a row. Raises `MaterialError` for empty plaintext.

    row_key: what `derive` returns for the same form and associated data.
    """
    if len(plaintext) == 0:
        raise MaterialError("the plaintext is empty: there is nothing to encrypt")
    if form is EnvelopeFormat.AES_256_KWP:
        return form.prefix + encrypt_kwp(row_key.view, plaintext)
    return form.prefix + encrypt_gcm(row_key.view, os.urandom(NONCE_BYTES), plaintext, associated_data)


def decrypt_row(row_key: Secret, envelope: bytes, associated_data: bytes) -> Secret:
    """Return the plaintext of an envelope under the key of a row. Raises `OpeningRefusedError`."""
    if form_of(envelope) is EnvelopeFormat.AES_256_KWP:
        return decrypt_kwp(row_key.view, envelope[1:])
    return decrypt_gcm(row_key.view, envelope[1:], associated_data)


def encrypt_gcm(key: BytesLike, nonce: bytes, plaintext: BytesLike, associated_data: bytes) -> bytes:
    """Return nonce, ciphertext and tag. The caller never uses a nonce twice with one key."""
    encryptor = Cipher(algorithms.AES256(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(associated_data)
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    return nonce + ciphertext + encryptor.tag


def decrypt_gcm(key: BytesLike, sealed: bytes, associated_data: bytes) -> Secret:
    """Return the plaintext of nonce, ciphertext and tag. Raises `OpeningRefusedError`."""
    nonce, ciphertext, tag = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:-TAG_BYTES], sealed[-TAG_BYTES:]
    decryptor = Cipher(algorithms.AES256(key), modes.GCM(nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(associated_data)
    # Into our own buffer, which is wiped, also if the tag is wrong; the library needs one block more.
    buffer = bytearray(len(ciphertext) + _BLOCK_BYTES - 1)
    with Secret(buffer) as plaintext:
        decryptor.update_into(ciphertext, buffer)
        try:
            decryptor.finalize()
        except InvalidTag:
            raise OpeningRefusedError(_REFUSAL) from None
        return Secret(bytearray(plaintext.view[: len(ciphertext)]))


def encrypt_kwp(key: BytesLike, plaintext: BytesLike) -> bytes:
    """Return the wrapped plaintext. Equal plaintexts under one key give equal results, and the length is visible."""
    taken = bytearray(plaintext)  # older releases of the library pad it by appending bytes, which a view does not allow
    with Secret(taken):
        return aes_key_wrap_with_padding(key, taken)


def decrypt_kwp(key: BytesLike, wrapped: bytes) -> Secret:
    """Return the plaintext. Raises `OpeningRefusedError`. The library makes a copy that cannot be wiped."""
    try:
        return Secret(bytearray(aes_key_unwrap_with_padding(key, wrapped)))
    except InvalidUnwrap:
        raise OpeningRefusedError(_REFUSAL) from None


def key_check_value(material: BytesLike, key_id: str, version_number: int) -> str:
    """Return the `key_versions.key_checksum` of a key: 64 lower-case hexadecimal digits.

    material: the key. key_id: the name of the key, `key_masters.key_id`. version_number: from 1 to 2^31 - 1;
    beyond 32 bits this raises `OverflowError`.

    A key encryption key also derives keys by HMAC. Those inputs begin with the counter 1, this one with the length of
    the label, so no check value is a derived key. Example::

        assert key_check_value(material.view, key.key_id, version.version_number) == version.key_checksum
    """
    computed = HMAC(material, SHA256())
    computed.update(fields(_CHECK_VALUE_LABEL, key_id.encode(), version_number.to_bytes(4, "big")))
    return computed.finalize().hex()


def has_check_value(material: BytesLike, key_id: str, version_number: int, expected: str) -> bool:
    """Return whether a key has the check value `expected`, compared in constant time.

    material, key_id, version_number: as for `key_check_value`, which also says what this raises. expected: a check
    value in hexadecimal; any other text is not equal.
    """
    computed = key_check_value(material, key_id, version_number)
    return hmac.compare_digest(computed.encode(), expected.encode())
