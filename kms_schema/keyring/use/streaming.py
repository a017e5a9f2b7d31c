"""Files and pipes under a key of the ring: one use each, whose bytes are counted as they are read."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator

from kms_schema.crypto.secret import BytesLike, check_bytes
from kms_schema.keyring.errors import RingClosedError
from kms_schema.keyring.formats.errors import DoesNotOpenError, NotACiphertextError
from kms_schema.keyring.formats.streams import Source, decrypt_stream, encrypt_stream, read_stream_tag
from kms_schema.keyring.use.cache import Opened
from kms_schema.keyring.use.versions import Versions


class KeyStreams(ABC):
    """The methods of a key for streams, which may be longer than memory."""

    __slots__ = ()

    key_id: str

    @abstractmethod
    def _open_versions(self) -> Versions:
        """Return the versions of the ring. Raises `RingClosedError` if it is closed."""

    @abstractmethod
    def _open_for_caller(self, size: int) -> Opened:
        """Return the live version, one use of `size` bytes counted, for a ciphertext that may be stored anywhere."""

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
        self._open_versions().refuse_streams(self.key_id)
        opened = self._open_for_caller(0)
        reader = _Reader(self, source, opened, counts=True)
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
        versions = self._open_versions()
        try:
            opened = versions.for_decrypting(self.key_id, read_stream_tag(source))
            reader = _Reader(self, source, opened, counts=False)
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
        raise self._open_versions().does_not_open(self.key_id)


class _Reader:
    """Reads from a source, if the version may still be used, and counts what it reads if that is encrypted."""

    def __init__(self, key: KeyStreams, source: Source, opened: Opened, *, counts: bool) -> None:
        self._key = key
        self._source = source
        self._opened = opened  # the last reference to a version that was evicted wipes its material
        self._counts = counts
        self._process = os.getpid()

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read into `buffer`, and return how many bytes were read."""
        if os.getpid() != self._process:  # both processes would use the nonces of the following segments
            raise RingClosedError("this stream was begun by the parent process: begin another one")
        versions = self._key._open_versions()
        size = self._source.readinto(buffer)
        versions.go_on(self._opened, size if size and self._counts else 0)
        return size
