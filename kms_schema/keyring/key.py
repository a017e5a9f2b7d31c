"""A key of a ring, as an application uses it."""

from typing import Protocol

from kms_schema.crypto.secret import BytesLike, check_bytes
from kms_schema.keyring.formats.messages import too_long
from kms_schema.keyring.formats.prefix import MAX_MESSAGE_BYTES
from kms_schema.keyring.use.cache import Opened
from kms_schema.keyring.use.streaming import KeyStreams
from kms_schema.keyring.use.versions import Versions
from kms_schema.text.storable import check_is_text


class UsesKeys(Protocol):
    """The part of a ring that keys need."""

    @property
    def _versions(self) -> Versions: ...

    def _check_open(self) -> None: ...

    def _open_for_caller(self, key_id: str, size: int) -> Opened: ...

    def _decrypt(self, key_id: str, blob: BytesLike, aad: BytesLike) -> tuple[bytes, bool]: ...


class Key(KeyStreams):
    """A key of a ring, by its name. Associated data is bound to a ciphertext and not stored in it: give it again."""

    __slots__ = ("_ring", "key_id")

    def __init__(self, ring: UsesKeys, key_id: str) -> None:
        """Use `ring`. Raises `TypeError` for a name that is no text."""
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
        return self._ring._open_for_caller(self.key_id, len(data)).cipher.encrypt(data, aad=aad)

    def decrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the plaintext of a ciphertext of this key, made with the same `aad`.

        Raises `DecryptionError` for anything else: one error, whatever the reason; `KeyRevokedError`,
        `KeyStateError` and `VersionDestroyedError` by the state of the key;
        `MaterialUnavailableError`, `UnsupportedKeyError`, `DatabaseUnavailableError`, `KeyNotPermittedError`. Example::

            data = ring.key("orders").decrypt(blob, aad=b"invoice/17/iban")
        """
        if type(blob) is not bytes or type(aad) is not bytes:
            check_bytes(blob=blob, aad=aad)
        return self._ring._decrypt(self.key_id, blob, aad)[0]

    def reencrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return a ciphertext of the same plaintext under the live version; the same bytes if it is under that already.

        It is opened in any case. Raises as `decrypt` and `encrypt` do.
        """
        check_bytes(blob=blob, aad=aad)
        data, is_current = self._ring._decrypt(self.key_id, blob, aad)
        return bytes(blob) if is_current else self.encrypt(data, aad=aad)

    def _open_for_caller(self, size: int) -> Opened:
        return self._ring._open_for_caller(self.key_id, size)

    def _open_versions(self) -> Versions:
        self._ring._check_open()
        return self._ring._versions

    def __repr__(self) -> str:
        """Show the name only."""
        return f"<{type(self).__name__} {self.key_id!r}>"
