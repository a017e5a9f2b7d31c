"""Opens what was encrypted with a key that is revoked: for who rotates keys, with an entry that is written before."""

from collections.abc import Callable, Iterator

import sqlalchemy as sa

from kms_schema.crypto.secret import BytesLike, check_bytes
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import (
    KeyStateError,
    RingClosedError,
    UnknownKeyError,
    VersionDestroyedError,
    does_not_open,
)
from kms_schema.keyring.formats.errors import DoesNotOpenError, NotACiphertextError
from kms_schema.keyring.formats.messages import MessageCipher
from kms_schema.keyring.formats.prefix import read_message_prefix
from kms_schema.keyring.formats.streams import Source, decrypt_stream, read_stream_tag
from kms_schema.keyring.lifecycle.registry import require_rotator
from kms_schema.keyring.use.audit_entries import append, use_entry
from kms_schema.keyring.use.opener import Opener
from kms_schema.keyring.use.states import KeyState, Version
from kms_schema.models import KeyMaster
from kms_schema.text.storable import check_is_text, check_texts
from kms_schema.vocabulary import KeyStatus, UseEvent

_ROTATOR = "kms_rotator"


class RevokedKey:
    """A key that is revoked, for decrypting. `KeyRing.revoked_key` makes it.

    Its row is read for each message and each part of a stream: a version that was destroyed meanwhile, and a key that
    was archived, do not open. With the ring it is closed; a forked process has to open it again.
    """

    def __init__(self, storage: Storage, opener: Opener, key_id: str, check_open: Callable[[], None]) -> None:
        """Decrypt with the versions of a key. `check_open` raises `RingClosedError` if the ring is closed."""
        self.key_id = key_id
        self._storage = storage
        self._opener = opener
        self._check_ring = check_open
        self._ciphers: dict[int, MessageCipher] = {}
        self._is_closed = False

    def decrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the plaintext of a ciphertext, as `Key.decrypt` does, but for the status of the key.

        Raises `KeyStateError` if the key is not revoked any more. Raises `RingClosedError`
        if this or the ring is closed, or before a fork. Otherwise it raises as `Key.decrypt` does.
        """
        check_bytes(blob=blob, aad=aad)
        try:
            return self._cipher(read_message_prefix(blob)).decrypt(blob, aad=aad)
        except (NotACiphertextError, DoesNotOpenError) as error:
            hint = error.hint
        raise does_not_open(self.key_id, hint)  # outside of `except`: the error shows no other one

    def decrypt_stream(self, source: Source, *, aad: BytesLike) -> Iterator[bytes]:
        """Yield the plaintext of a stream, as `Key.decrypt_stream` does, but for the status of the key.

        Raises as `decrypt` does, also from a part.
        """
        check_bytes(aad=aad)
        try:
            tag = read_stream_tag(source)
            parts = decrypt_stream(_Reader(self, source, tag), self._cipher(tag).material, tag=tag, aad=aad)
            return self._with_error_of_the_ring(parts)
        except (NotACiphertextError, DoesNotOpenError) as error:
            hint = error.hint
        raise does_not_open(self.key_id, hint)

    def _with_error_of_the_ring(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from parts
        except DoesNotOpenError:
            pass
        else:
            return
        raise does_not_open(self.key_id)

    def _cipher(self, tag: int) -> MessageCipher:
        """Return the cipher of a version of this key. Another key's is refused before anything is opened."""
        self._check_ring()
        if self._is_closed:
            raise RingClosedError(
                f"revoked key {self.key_id!r} is closed, or was opened before this process was forked: open it again",
                key_id=self.key_id,
            )
        state = self._storage.read_tag(tag, self.key_id)
        if state is None or state.key_id != self.key_id or state.version is None:
            raise DoesNotOpenError
        number = state.version.number
        if state.status == KeyStatus.REVOKED and not state.version.is_destroyed:
            return self._opened(state, state.version)
        if tag in self._ciphers:
            self._ciphers.pop(tag).close()
        if state.version.is_destroyed:
            named = f"version {number} of key {self.key_id!r}"
            raise VersionDestroyedError(f"{named} is destroyed", key_id=self.key_id, version=number)
        state.check_decrypting()  # archived
        raise not_revoked(self.key_id, state.status)

    def _opened(self, state: KeyState, version: Version) -> MessageCipher:
        cipher = self._ciphers.get(version.tag)
        if cipher is None or not cipher.in_memory:  # an HSM may have been disabled
            cipher = self._ciphers[version.tag] = self._opener.open(state, version)
        return cipher

    def close(self) -> None:
        """Wipe the material. Nothing is decrypted afterwards."""
        self._is_closed = True
        for cipher in self._ciphers.values():
            cipher.close()
        self._ciphers.clear()

    def __repr__(self) -> str:
        """Show the name only."""
        return f"<{type(self).__name__} {self.key_id!r}>"


class _Reader:
    """Reads from a source, if the version still opens."""

    def __init__(self, key: RevokedKey, source: Source, tag: int) -> None:
        self._key, self._source, self._tag = key, source, tag

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read into `buffer`, and return how many bytes were read."""
        size = self._source.readinto(buffer)
        self._key._cipher(self._tag)
        return size


def not_revoked(key_id: str, status: str) -> KeyStateError:
    """Return the error of a key that opens without `revoked_key`."""
    return KeyStateError(
        f"key {key_id!r} is {status}, not revoked: use it as it is", key_id=key_id, reason="status_change"
    )


def record_opening(storage: Storage, key_id: str, reason: str, actor: str | None) -> None:
    """Commit the entry about the opening of a revoked key. Raises as `KeyRing.revoked_key` does."""
    check_is_text(key_id=key_id, reason=reason)
    check_texts(reason=reason)
    if not reason.strip():
        raise ValueError("give the reason for opening a revoked key: it is written to the audit log")
    with storage.session(key_id, _ROTATOR, actor) as session:
        require_rotator(session)
        key = session.scalars(sa.select(KeyMaster).where(KeyMaster.key_id == key_id)).one_or_none()
        if key is None:
            raise UnknownKeyError(f"there is no key named {key_id!r}", key_id=key_id)
        if key.status != KeyStatus.REVOKED:
            raise not_revoked(key_id, key.status)
        description = f"revoked key opened: {key_id}: {reason}"
        entry = use_entry(UseEvent.REVOKED_KEY_OPENED, key.id, description, {"reason": reason}, actor)
        append(session, entry, key_id)
