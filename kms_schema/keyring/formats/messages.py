"""Ciphertexts of messages, byte for byte those of Tink's keys XAesGcmKey (salt of 12 bytes) and AesGcmKey, prefix TINK.

**XAES-256-GCM** (c2sp.org/XAES-256-GCM) derives a key for each message from the first half of its nonce and encrypts
with AES-256-GCM under the second half. The derivation is CMAC-AES256 of two blocks, so two AES calls once the subkey K1
of CMAC is known: the cipher object of a key computes K1 once and keeps an AES context. A context encrypts for one
thread at a time. They are lent from a list, whose `pop` and `append` are atomic: no lock that a fork could leave held.

**Memory.** The library keeps key schedules in memory that Python cannot wipe, as the page "crypto" of the documentation
states. `close` wipes the material and drops them. A cache that evicts a cipher drops its reference instead: calls in
flight end first.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kms_schema.crypto.secret import BytesLike, Secret
from kms_schema.keyring.formats.errors import CipherKeyError, DoesNotOpenError, MessageSizeError
from kms_schema.keyring.formats.prefix import (
    AUTHENTICATION_TAG_BYTES,
    MAX_MESSAGE_BYTES,
    PREFIX_BYTES,
    Algorithm,
    Form,
    write_prefix,
)

KEY_BYTES = 32
_SALT_BYTES = 12
_BLOCK_BYTES = 16
_ALL_ONES = 2**128 - 1
_TWICE = 2**128 + 1
"""A block times this is the block twice, side by side."""
_COUNTERS = int.from_bytes(b"\0\1X\0" + bytes(12) + b"\0\2X\0" + bytes(12), "big")
"""The two blocks of the derivation without the nonce: counter, label `X`, zero byte (NIST SP 800-108r1, 4.1)."""

_Context = tuple[Callable[[bytes, memoryview], int], memoryview, memoryview]
"""AES under the key of a version, the buffer that it writes to, and the 32 bytes of that which are a message's key."""


class Gcm(Protocol):
    """AES-256-GCM under one key, such as cryptography's `AESGCM`."""

    def encrypt(self, nonce: bytes, data: BytesLike, associated_data: BytesLike | None, /) -> bytes:
        """Return ciphertext and tag."""

    def decrypt(self, nonce: bytes, data: BytesLike, associated_data: BytesLike | None, /) -> bytes:
        """Return the plaintext. Raises `InvalidTag`."""


class MessageCipher(ABC):
    """Encrypts and decrypts messages with one version of a key.

    Threads may share it. Example::

        with message_cipher("XAES-256-GCM", tag, material) as cipher:
            blob = cipher.encrypt(b"DE89 3704", aad=b"invoice/17/iban")
            cipher.decrypt(blob, aad=b"invoice/17/iban")
    """

    algorithm: Algorithm
    in_memory = True
    """False if each call waits for a device that has the key."""

    def __init__(self, tag: int) -> None:
        """Take the `ciphertext_tag` of the version."""
        self.tag = tag  # first: a traceback with variables shows this object
        self._prefix = write_prefix(Form.MESSAGE, tag)
        self._nonce_bytes = self.algorithm.nonce_bytes
        self._begin = PREFIX_BYTES + self._nonce_bytes
        self._least = self._begin + AUTHENTICATION_TAG_BYTES

    @property
    @abstractmethod
    def material(self) -> Secret:
        """The key of the version, of which the key of streams is derived. `close` wipes it."""

    def encrypt(self, plaintext: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the ciphertext of `plaintext`, bound to `aad`. Both are at most 2^31 - 1 bytes long.

        Raises `MessageSizeError` for longer ones, `ValueError` after `close`.
        """
        if len(plaintext) > MAX_MESSAGE_BYTES or len(aad) > MAX_MESSAGE_BYTES:
            raise too_long()
        nonce = os.urandom(self._nonce_bytes)
        return self._prefix + nonce + self._cipher(nonce).encrypt(nonce[-12:], plaintext, aad)

    def decrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the plaintext of a ciphertext of this key version, bound to `aad`.

        Raises `DoesNotOpenError`, with the same message for every cause, if `blob` is anything else; `ValueError` after
        `close`.
        """
        begin, size = self._begin, len(blob)
        # The prefix is compared first: AES-GCM does not commit to a key, so no key is tried on what another has made.
        if blob[:PREFIX_BYTES] != self._prefix or size < self._least or len(aad) > MAX_MESSAGE_BYTES:
            raise DoesNotOpenError
        if size - begin > MAX_MESSAGE_BYTES:
            raise DoesNotOpenError
        nonce = bytes(blob[PREFIX_BYTES:begin])
        cipher = self._cipher(nonce)
        try:
            return cipher.decrypt(nonce[-12:], blob[begin:], aad)
        except InvalidTag:
            raise DoesNotOpenError from None

    @abstractmethod
    def _cipher(self, nonce: bytes) -> Gcm:
        """Return the AES-256-GCM cipher of a message, whose nonce there is the last 12 bytes of `nonce`."""

    @abstractmethod
    def close(self) -> None:
        """Wipe the material. Nothing is encrypted or decrypted afterwards."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the cipher."""
        self.close()

    def __repr__(self) -> str:
        """Show algorithm and tag only."""
        return f"<{type(self).__name__} {self.algorithm}, tag {self.tag}>"

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: a pickle is a copy of the key."""
        raise TypeError("a cipher is neither pickled nor copied")


class _CipherInMemory(MessageCipher):
    """A cipher whose key is in the memory of this process."""

    def __init__(self, tag: int, material: Secret) -> None:
        """Take over `material`, 32 bytes."""
        self.tag = tag
        if len(material) != KEY_BYTES:
            raise CipherKeyError(f"a key of {self.algorithm} has {KEY_BYTES} bytes, this one has {len(material)}")
        super().__init__(tag)
        self._material = material

    @property
    def material(self) -> Secret:
        """The key of the version."""
        return self._material

    def close(self) -> None:
        """Wipe the material."""
        self._material.wipe()


class Xaes256Gcm(_CipherInMemory):
    """XAES-256-GCM."""

    algorithm = Algorithm.XAES_256_GCM

    def __init__(self, tag: int, material: Secret) -> None:
        """Take over `material`, 32 bytes. Raises `CipherKeyError` for another length, or a `tag` out of range."""
        super().__init__(tag, material)
        self._blocks, context = self._new_context()
        self._contexts = [context]

    def _new_context(self) -> tuple[int, _Context]:
        """Return the blocks of the derivation without a nonce, and a context."""
        buffer = memoryview(bytearray(KEY_BYTES + _BLOCK_BYTES - 1))  # the library asks for a block less one byte more
        update_into = Cipher(algorithms.AES256(self._material.view), modes.ECB()).encryptor().update_into  # noqa: S305
        update_into(bytes(_BLOCK_BYTES), buffer)
        # K1 of CMAC (NIST SP 800-38B, 6.1): the zero block, encrypted and doubled in GF(2^128).
        zero = int.from_bytes(buffer[:_BLOCK_BYTES], "big")
        blocks = _COUNTERS ^ _TWICE * ((zero << 1 & _ALL_ONES) ^ (0x87 if zero >> 127 else 0))
        return blocks, (update_into, buffer, buffer[:KEY_BYTES])

    def _further_context(self) -> _Context:
        """Return one more context. Raises `ValueError` if the material is wiped, also by another thread just now."""
        # The key once opened, so what fails here fails because `close` has released its memory: the library raises
        # TypeError for that. Where memory was only overwritten, the context has a key of zeros and other blocks.
        with suppress(ValueError, TypeError):
            blocks, context = self._new_context()
            if blocks == self._blocks:
                return context
        raise ValueError("this cipher has been closed")

    def _cipher(self, nonce: bytes) -> AESGCM:
        contexts = self._contexts
        try:
            context = contexts.pop()
        except IndexError:  # every context is lent to another thread, or the cipher is closed
            context = self._further_context()
        update_into, buffer, key = context
        block = int.from_bytes(nonce[:_SALT_BYTES], "big")
        update_into((self._blocks ^ _TWICE * block).to_bytes(KEY_BYTES, "big"), buffer)
        cipher = AESGCM(key)
        contexts.append(context)
        return cipher

    def close(self) -> None:
        """Wipe the material and drop the contexts. Calls in flight end with the contexts that they have."""
        super().close()
        # A new list first: calls in flight put their contexts back into the old one. None that is lent is wiped, since
        # a message would be encrypted under zeros.
        self._contexts, contexts = [], self._contexts
        with suppress(IndexError):
            while True:
                _, buffer, _ = contexts.pop()
                buffer[:] = bytes(len(buffer))


class Aes256Gcm(_CipherInMemory):
    """AES-256-GCM."""

    algorithm = Algorithm.AES_256_GCM

    def __init__(self, tag: int, material: Secret) -> None:
        """Take over `material`, 32 bytes. Raises `CipherKeyError` for another length, or a `tag` out of range."""
        super().__init__(tag, material)
        self._gcm: AESGCM | None = AESGCM(material.view)

    def _cipher(self, nonce: bytes) -> AESGCM:  # noqa: ARG002
        if self._gcm is None:
            raise ValueError("this cipher has been closed")
        return self._gcm

    def close(self) -> None:
        """Wipe the material and drop the cipher of the library."""
        super().close()
        self._gcm = None


def too_long() -> MessageSizeError:
    """Return the error of a message, or of associated data, of more than `MAX_MESSAGE_BYTES` bytes."""
    return MessageSizeError(f"a message and its associated data have at most {MAX_MESSAGE_BYTES} bytes each")


def message_cipher(algorithm: str, tag: int, material: Secret) -> MessageCipher:
    """Return the cipher of a key version, which takes over its material.

    algorithm: `key_masters.algorithm`, `XAES-256-GCM` or `AES-256-GCM`. tag: `key_versions.ciphertext_tag`, 1 to
    2^32 - 1. material: the key, 32 bytes; the cipher wipes it when it is closed or collected. Raises `CipherKeyError`
    for another algorithm, tag or length, and wipes nothing then. Example::

        cipher = message_cipher("XAES-256-GCM", 2001, Secret(bytearray(os.urandom(32))))
    """
    for kind in (Xaes256Gcm, Aes256Gcm):
        if algorithm == kind.algorithm:
            return kind(tag, material)
    known = " and ".join(Algorithm)
    raise CipherKeyError(f"no key of algorithm {algorithm!r} encrypts messages: those of {known} do")
