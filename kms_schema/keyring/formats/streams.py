"""Ciphertexts of files and pipes: five bytes of prefix, then Tink's streaming AEAD with AES-GCM-HKDF.

A stream is encrypted in segments of 1 MiB, each authenticated with its number and with whether it is the last one. So
neither a missing, moved, foreign nor added segment is accepted, and memory stays flat at any length. The parameters are
those of Tink's template `AES256_GCM_HKDF_1MB`. Its key is derived from the key of the version, which encrypts messages;
its associated data are the prefix and the data of the caller. Tink opens the rest of a stream without the prefix.
"""

import hmac
import os
from collections.abc import Iterator
from contextlib import closing
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kms_schema.crypto.secret import BytesLike, Secret
from kms_schema.keyring.formats.errors import CipherKeyError, DoesNotOpenError, MessageSizeError, NotACiphertextError
from kms_schema.keyring.formats.messages import KEY_BYTES
from kms_schema.keyring.formats.prefix import AUTHENTICATION_TAG_BYTES, PREFIX_BYTES, Form, read_prefix, write_prefix

SEGMENT_BYTES = 2**20
"""The length of an encrypted segment. The first is shorter by the header; the last has at most this length."""
STREAM_KEY_LABEL = b"kms-schema/stream/v1"
_SALT_BYTES = 32
_NONCE_PREFIX_BYTES = 7
HEADER_BYTES = 1 + _SALT_BYTES + _NONCE_PREFIX_BYTES
_MAX_SEGMENTS = 2**32


class Source(Protocol):
    """A binary file or pipe to read from, such as `open(path, "rb")` or `sys.stdin.buffer`. It must block."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read into `buffer` and return how many bytes were read, 0 at the end."""
        ...


def encrypt_stream(source: Source, material: Secret, *, tag: int, aad: BytesLike) -> Iterator[bytes]:
    """Yield the ciphertext of everything that `source` has left, in parts of at most 1 MiB, the first at once.

    material: the key of a version, 32 bytes, which is not kept. tag: the version's `ciphertext_tag`, 1 to 2^32 - 1.
    aad: associated data, which decrypting needs again. About 3 MiB of memory are used at any length. Raises
    `CipherKeyError` for another length of key or a tag out of range, `MessageSizeError` above 2^32 segments (4 PiB),
    and what `source` raises. A ciphertext that was not yielded to its end does not open. Example::

        with open("report.pdf", "rb") as source, open("report.kms", "wb") as target:
            target.writelines(encrypt_stream(source, material, tag=2001, aad=b"report"))
    """
    prefix = write_prefix(Form.STREAM, tag)
    salt, nonce_prefix = os.urandom(_SALT_BYTES), os.urandom(_NONCE_PREFIX_BYTES)
    return _encrypted(source, prefix, salt, nonce_prefix, _segment_cipher(material, prefix, salt, aad))


def decrypt_stream(source: Source, material: Secret, *, tag: int, aad: BytesLike) -> Iterator[bytes]:
    """Yield the plaintext of a stream in parts of at most 1 MiB, each only after it was authenticated.

    source: it stands after the prefix, which `read_stream_tag` has read. material, tag, aad: as for `encrypt_stream`.
    Raises `DoesNotOpenError` if the stream is not exactly what `encrypt_stream` made with these. A wrong header raises
    it from the call; another fault raises it at its part, after the parts before. If the stream is cut short between
    two segments, the last one that is there is not yielded. Raises `CipherKeyError` as `encrypt_stream`, and what
    `source` raises. Programs must discard what they have, or exit with an error, when this raises. Example::

        with open("report.kms", "rb") as source:
            tag = read_stream_tag(source)
            for part in decrypt_stream(source, materials[tag], tag=tag, aad=b"report"):
                print(len(part))
    """
    prefix = write_prefix(Form.STREAM, tag)
    header = bytearray(HEADER_BYTES)
    if _fill(source, memoryview(header)) < HEADER_BYTES or header[0] != HEADER_BYTES:
        raise DoesNotOpenError
    salt, nonce_prefix = bytes(header[1 : 1 + _SALT_BYTES]), bytes(header[1 + _SALT_BYTES :])
    return _decrypted(source, nonce_prefix, _segment_cipher(material, prefix, salt, aad))


def read_stream_tag(source: Source) -> int:
    """Read the prefix of a stream and return its tag; nothing authenticates it before `decrypt_stream`.

    Raises `NotACiphertextError` if `source` has no prefix, or the prefix of a message (`other_form`).
    """
    start = bytearray(PREFIX_BYTES)
    form, tag = read_prefix(start[: _fill(source, memoryview(start))])
    if form is not Form.STREAM:
        raise NotACiphertextError(
            "it is a message, as `encrypt` of a key makes: use `decrypt` of the key, from Python", reason="other_form"
        )
    return tag


def stream_bytes(plaintext_bytes: int) -> int:
    """Return the length of the ciphertext of a stream of `plaintext_bytes` bytes.

    Raises nothing. Example::

        stream_bytes(0)  # 61
    """
    content = SEGMENT_BYTES - AUTHENTICATION_TAG_BYTES
    segments = max(1, -(-(HEADER_BYTES + plaintext_bytes) // content))
    return PREFIX_BYTES + HEADER_BYTES + plaintext_bytes + segments * AUTHENTICATION_TAG_BYTES


def stream_key(material: Secret) -> Secret:
    """Return the key of streams, HMAC-SHA-256(material, "kms-schema/stream/v1"): the key of Tink's streaming AEAD.

    Raises `CipherKeyError` unless `material` has 32 bytes.
    """
    if len(material) != KEY_BYTES:
        raise CipherKeyError(f"a key that encrypts streams has {KEY_BYTES} bytes, this one has {len(material)}")
    return Secret(bytearray(hmac.digest(material.view, STREAM_KEY_LABEL, "sha256")))


def _segment_cipher(material: Secret, prefix: bytes, salt: bytes, aad: BytesLike) -> AESGCM:
    with stream_key(material) as key:
        info = prefix + bytes(aad)
        return AESGCM(HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(key.view))


def _encrypted(source: Source, prefix: bytes, salt: bytes, nonce_prefix: bytes, cipher: AESGCM) -> Iterator[bytes]:
    yield prefix + bytes([HEADER_BYTES]) + salt + nonce_prefix
    with closing(_Segments(source, AUTHENTICATION_TAG_BYTES)) as segments:
        for number, (segment, is_last) in enumerate(segments):
            if number == _MAX_SEGMENTS:
                raise MessageSizeError(f"a stream has at most {_MAX_SEGMENTS} segments: encrypt it in parts")
            yield cipher.encrypt(_nonce(nonce_prefix, number, is_last), segment, None)


def _decrypted(source: Source, nonce_prefix: bytes, cipher: AESGCM) -> Iterator[bytes]:
    with closing(_Segments(source, 0)) as segments:
        for number, (segment, is_last) in enumerate(segments):
            if number == _MAX_SEGMENTS:
                raise DoesNotOpenError
            try:
                yield cipher.decrypt(_nonce(nonce_prefix, number, is_last), segment, None)
            except InvalidTag:
                raise DoesNotOpenError from None


def _nonce(nonce_prefix: bytes, number: int, is_last: bool) -> bytes:
    return nonce_prefix + number.to_bytes(4, "big") + bytes([is_last])


class _Segments:
    """The segments of a source, each with whether it is the last: it reads one ahead, into two buffers in turn."""

    def __init__(self, source: Source, room: int) -> None:
        """Take what to read from, and how much shorter than a segment its parts are, in bytes."""
        self._source = source
        self._size = SEGMENT_BYTES - room
        self._buffers = [memoryview(bytearray(self._size)) for _ in range(2)]

    def __iter__(self) -> Iterator[tuple[memoryview, bool]]:
        """Yield segment and whether it is the last. A segment is valid until the next one is asked for."""
        this, following = self._buffers
        size = _fill(self._source, this[: self._size - HEADER_BYTES])
        is_last = size < self._size - HEADER_BYTES
        while True:
            read = 0 if is_last else _fill(self._source, following)
            is_last = read == 0
            yield this[:size], is_last
            if is_last:
                return
            is_last, size = read < self._size, read
            this, following = following, this

    def close(self) -> None:
        """Overwrite the buffers, which may have plaintext."""
        for buffer in self._buffers:
            buffer[:] = bytes(len(buffer))


def _fill(source: Source, buffer: memoryview) -> int:
    """Fill `buffer`, unless the source ends before. Return how many bytes were read; pipes give less at a time."""
    filled = 0
    while filled < len(buffer):
        read = source.readinto(buffer[filled:])
        if read is None:
            raise BlockingIOError("the file or pipe to read from must block, and this one does not")
        if read == 0:
            break
        filled += read
    return filled
