"""A key of a ring, as an application uses it: for messages, and for files and pipes.

A stream is one use, whose bytes are counted as they are read.
"""

import os
from collections.abc import Iterator

from kms_schema.crypto.secret import BytesLike, check_bytes
from kms_schema.keyring.errors import RingClosedError
from kms_schema.keyring.formats.errors import DoesNotOpenError, NotACiphertextError
from kms_schema.keyring.formats.messages import too_long
from kms_schema.keyring.formats.prefix import MAX_MESSAGE_BYTES
from kms_schema.keyring.formats.streams import Source, decrypt_stream, encrypt_stream, read_stream_tag
from kms_schema.keyring.parts import RingParts
from kms_schema.keyring.use.cache import Opened
from kms_schema.text.storable import check_is_text


class Key:
    """A key of a ring, by its name. Associated data is bound to a ciphertext and not stored in it: give it again."""

    __slots__ = ("_ring", "key_id")

    def __init__(self, ring: RingParts, key_id: str) -> None:
        """Use the parts of a ring. Raises `TypeError` for a name that is no text."""
        if not isinstance(key_id, str):
            check_is_text(key_id=key_id)
        self._ring = ring
        self.key_id: str = key_id

    def encrypt(self, data: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the ciphertext of `data`, made with the live version and bound to `aad`. The use is counted before.

        The ring does not know where the caller stores it, and notes that with the key. Its old versions are not
        destroyed unless a command is told where their ciphertexts may be.

        Raises `TypeError` for what is no bytes; `MessageSizeError` above 2^31 - 1 of them; `UnknownKeyError`;
        `KeyStateError` and `KeyRevokedError` by the state of the key; `UsageLimitError`, `MaterialUnavailableError`,
        `UnsupportedKeyError`, `DatabaseUnavailableError`, `KeyNotPermittedError`. Example::

            blob = ring.key("orders").encrypt(b"DE89 3704", aad=b"invoice/17/iban")
        """
        if type(data) is not bytes or type(aad) is not bytes:
            check_bytes(data=data, aad=aad)  # before the use is counted
        if len(data) > MAX_MESSAGE_BYTES or len(aad) > MAX_MESSAGE_BYTES:
            raise too_long()
        return self._ring.open_for_caller(self.key_id, len(data)).cipher.encrypt(data, aad=aad)

    def decrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the plaintext of a ciphertext of this key, made with the same `aad`.

        Raises `DecryptionError` for anything else: one error, whatever the reason; `KeyRevokedError`,
        `KeyStateError` and `VersionDestroyedError` by the state of the key;
        `MaterialUnavailableError`, `UnsupportedKeyError`, `DatabaseUnavailableError`, `KeyNotPermittedError`. Example::

            data = ring.key("orders").decrypt(blob, aad=b"invoice/17/iban")
        """
        if type(blob) is not bytes or type(aad) is not bytes:
            check_bytes(blob=blob, aad=aad)
        return self._ring.decrypt(self.key_id, blob, aad)[0]

    def reencrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return a ciphertext of the same plaintext under the live version; the same bytes if it is under that already.

        It is opened in any case. Raises as `decrypt` and `encrypt` do.
        """
        check_bytes(blob=blob, aad=aad)
        data, is_current = self._ring.decrypt(self.key_id, blob, aad)
        return bytes(blob) if is_current else self.encrypt(data, aad=aad)

    def encrypt_stream(self, source: Source, *, aad: BytesLike) -> Iterator[bytes]:
        """Yield the ciphertext of what `source` has left, in parts of at most 1 MiB, made with the live version.

        `source` is a binary file or pipe that blocks, and `aad` is bound to the ciphertext as by `encrypt`. The call
        counts one use; bytes are counted before they are encrypted. A stream that has begun goes on if the key is
        rotated or expires, and ends with the error if it is revoked, archived or its version is destroyed. A ciphertext
        that was not yielded to its end does not open. Raises as `encrypt` does, and what `source` raises. Example::

            with open("report.pdf", "rb") as source, open("report.kms", "wb") as target:
                target.writelines(ring.key("orders").encrypt_stream(source, aad=b"report"))
        """
        check_bytes(aad=aad)
        if not hasattr(source, "readinto"):  # before the use is counted
            raise TypeError("source is a binary file or pipe, such as of open(path, 'rb')")
        self._ring.check_open()
        self._ring.versions.refuse_streams(self.key_id)
        opened = self._ring.open_for_caller(self.key_id, 0)
        reader = _Reader(self._ring, source, opened, counts=True)
        return encrypt_stream(reader, opened.cipher.material, tag=opened.version.tag, aad=aad)

    def decrypt_stream(self, source: Source, *, aad: BytesLike) -> Iterator[bytes]:
        """Yield the plaintext of a stream of this key in parts of at most 1 MiB, each after it was authenticated.

        `source` stands at the beginning of the ciphertext, which `encrypt_stream` made with the same `aad`. Raises as
        `decrypt` does: `DecryptionError` from the call for a tag of another key or a header that is cut, else from the
        part at fault, after those before it. Discard what was yielded then. Example::

            with open("report.kms", "rb") as source, open("report.pdf", "wb") as target:
                target.writelines(ring.key("orders").decrypt_stream(source, aad=b"report"))
        """
        check_bytes(aad=aad)
        self._ring.check_open()
        versions = self._ring.versions
        try:
            opened = versions.for_decrypting(self.key_id, read_stream_tag(source))
            reader = _Reader(self._ring, source, opened, counts=False)
            parts = decrypt_stream(reader, opened.cipher.material, tag=opened.version.tag, aad=aad)
            return self._with_error_of_the_ring(parts)
        except (NotACiphertextError, DoesNotOpenError) as error:
            hint = error.hint
        raise versions.does_not_open(self.key_id, hint)  # outside of `except`: the error shows no other one

    def _with_error_of_the_ring(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from parts
        except DoesNotOpenError:
            pass
        else:
            return
        self._ring.check_open()
        raise self._ring.versions.does_not_open(self.key_id)

    def __repr__(self) -> str:
        """Show the name only."""
        return f"<{type(self).__name__} {self.key_id!r}>"


class _Reader:
    """Reads from a source, if the version may still be used, and counts what it reads if that is encrypted."""

    def __init__(self, ring: RingParts, source: Source, opened: Opened, *, counts: bool) -> None:
        self._ring = ring
        self._source = source
        self._opened = opened  # the last reference to a version that was evicted wipes its material
        self._counts = counts
        self._process = os.getpid()

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read into `buffer`, and return how many bytes were read."""
        if os.getpid() != self._process:  # both processes would use the nonces of the following segments
            raise RingClosedError("this stream was begun by the parent process: begin another one")
        self._ring.check_open()
        size = self._source.readinto(buffer)
        self._ring.versions.go_on(self._opened, size if size and self._counts else 0)
        return size
