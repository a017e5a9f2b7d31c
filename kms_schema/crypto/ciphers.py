"""AES-256-GCM and AES key wrap with padding, each under a key that is derived for one row.

**Nonces.** NIST SP 800-38D (8.3) allows 2^32 encryptions with random 96-bit nonces under one key, and one key
encryption key may well wrap more rows than that; a counter would have to be kept by every process that holds the key,
restored databases and cloned machines included. So no wrapping key ever encrypts by itself. It derives a key for the
place that the envelope is bound to (NIST SP 800-108r1, counter mode, HMAC-SHA-256), and that key encrypts what is put
into this one column of this one row. The limit then holds for each row by itself, and each change of a row is an entry
of the audit trail: 2^32 of them are not reached unnoticed. The number of rows under one wrapping key is not limited.
Two rows may even get the same nonce, which over 2^48 rows they will: their keys differ.

A salt for each message would ask for more bytes than the database's format has, and the nonce is all that is random in
it; deriving from the nonce as well would not make its repetition in one row any less likely.

**Binding.** AES key wrap has no associated data. Its key is derived like the other, so an envelope of either format
opens in its place only. The label of the derivation names the algorithm: no derived key serves both.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from kms_schema.crypto.associated_data import ENCODING
from kms_schema.crypto.errors import MaterialError, OpeningRefusedError, WrappingKeyError
from kms_schema.crypto.secret import BytesLike, Secret
from kms_schema.envelope_format import EnvelopeFormat, NotAnEnvelopeError, format_of

WRAPPING_KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_DERIVATION = "SP800-108-CTR-HMAC-SHA256"
"""What `encryption_metadata` calls the derivation."""

_BLOCK_BYTES = 16
_REFUSAL = "the envelope does not open: it was changed or moved from its row, or it was made under another wrapping key"


def encrypt(key: BytesLike, form: EnvelopeFormat, plaintext: BytesLike, associated_data: bytes) -> bytes:
    """Return the envelope of `plaintext` (1 byte or more) under a 32-byte wrapping key, bound to `associated_data`.

    Raises `MaterialError` where there is nothing to encrypt, `WrappingKeyError` for a key of another length.
    """
    if len(plaintext) == 0:
        raise MaterialError("there is nothing to encrypt")
    with derive(key, form, associated_data) as row_key:
        if form is EnvelopeFormat.AES_256_KWP:
            return form.prefix + encrypt_kwp(row_key.view, plaintext)
        return form.prefix + encrypt_gcm(row_key.view, os.urandom(NONCE_BYTES), plaintext, associated_data)


def decrypt(key: BytesLike, envelope: bytes, associated_data: bytes) -> Secret:
    """Return what is in an envelope.

    Raises `OpeningRefusedError` where it is not exactly what `encrypt` made under this key for this place, whatever
    the reason: whoever changes an envelope does not learn how near they came. `WrappingKeyError` as `encrypt` does.
    """
    try:
        form = format_of(envelope)
    except NotAnEnvelopeError as error:
        raise OpeningRefusedError(str(error)) from None
    with derive(key, form, associated_data) as row_key:
        if form is EnvelopeFormat.AES_256_KWP:
            return decrypt_kwp(row_key.view, envelope[1:])
        return decrypt_gcm(row_key.view, envelope[1:], associated_data)


def derive(key: BytesLike, form: EnvelopeFormat, associated_data: bytes) -> Secret:
    """Return the 32-byte key for one place and one algorithm. Raises `WrappingKeyError` unless `key` has 32 bytes."""
    if len(key) != WRAPPING_KEY_BYTES:
        raise WrappingKeyError(f"a wrapping key has {WRAPPING_KEY_BYTES} bytes (AES-256), this one has {len(key)}")
    derivation = KBKDFHMAC(
        algorithm=SHA256(),
        mode=Mode.CounterMode,
        length=WRAPPING_KEY_BYTES,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=f"{ENCODING} {form.algorithm}".encode(),
        context=associated_data,
        fixed=None,
    )
    return Secret(bytearray(derivation.derive(key)))


def encrypt_gcm(key: BytesLike, nonce: bytes, plaintext: BytesLike, associated_data: bytes) -> bytes:
    """Return nonce, ciphertext and tag. The nonce is the caller's to choose: never twice under one key."""
    encryptor = Cipher(algorithms.AES256(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(associated_data)
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    return nonce + ciphertext + encryptor.tag


def decrypt_gcm(key: BytesLike, sealed: bytes, associated_data: bytes) -> Secret:
    """Return the plaintext of nonce, ciphertext and tag. Raises `OpeningRefusedError`."""
    nonce, ciphertext, tag = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:-TAG_BYTES], sealed[-TAG_BYTES:]
    decryptor = Cipher(algorithms.AES256(key), modes.GCM(nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(associated_data)
    # Into a buffer of ours, which can be wiped, the more so where the tag is wrong; the library wants a block more.
    buffer = bytearray(len(ciphertext) + _BLOCK_BYTES - 1)
    with Secret(buffer) as plaintext:
        decryptor.update_into(ciphertext, buffer)
        try:
            decryptor.finalize()
        except InvalidTag:
            raise OpeningRefusedError(_REFUSAL) from None
        return Secret.copy_of(plaintext.view[: len(ciphertext)])


def encrypt_kwp(key: BytesLike, plaintext: BytesLike) -> bytes:
    """Return the plaintext, wrapped. The same under one key comes out the same: that, and its length, is seen."""
    taken = bytearray(plaintext)  # older releases of the library pad it by adding bytes, which no view can
    with Secret(taken):
        return aes_key_wrap_with_padding(key, taken)


def decrypt_kwp(key: BytesLike, wrapped: bytes) -> Secret:
    """Return the plaintext. Raises `OpeningRefusedError`. The library makes `bytes` on the way."""
    try:
        return Secret(bytearray(aes_key_unwrap_with_padding(key, wrapped)))
    except InvalidUnwrap:
        raise OpeningRefusedError(_REFUSAL) from None
