"""Opens what was encrypted with a key that is revoked: for who rotates keys, with an entry that is written before."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import sqlalchemy as sa

from kms_schema.crypto.secret import BytesLike, check_bytes
from kms_schema.keyring.audit_entries import append, process, use_entry
from kms_schema.keyring.errors import (
    StatusChangeError,
    UnknownKeyError,
    VersionDestroyedError,
    does_not_open,
)
from kms_schema.keyring.formats.errors import DoesNotOpenError, NotACiphertextError
from kms_schema.keyring.formats.messages import MessageCipher
from kms_schema.keyring.formats.prefix import read_message_prefix
from kms_schema.keyring.formats.streams import Source, decrypt_stream, read_stream_tag
from kms_schema.keyring.opening import Opener, unwrapping
from kms_schema.keyring.registry import require_rotator
from kms_schema.keyring.storage import Storage
from kms_schema.models import KeyMaster, KeyVersion
from kms_schema.storable_text import check_texts
from kms_schema.vocabulary import KeyStatus, UseEvent

_ROTATOR = "kms_rotator"


class RevokedKey:
    """A key that is revoked, for decrypting. `KeyRing.revoked_key` makes it."""

    def __init__(self, storage: Storage, opener: Opener, key_id: str) -> None:
        """Decrypt with the versions of a key."""
        self.key_id = key_id
        self._storage = storage
        self._opener = opener
        self._ciphers: dict[int, MessageCipher] = {}

    def decrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the plaintext of a ciphertext, as `Key.decrypt` does, but for the status of the key."""
        check_bytes(blob=blob, aad=aad)
        try:
            return self._cipher(read_message_prefix(blob)).decrypt(blob, aad=aad)
        except (NotACiphertextError, DoesNotOpenError) as error:
            hint = error.hint
        raise does_not_open(self.key_id, hint)  # outside of `except`: the error shows no other one

    def decrypt_stream(self, source: Source, *, aad: BytesLike) -> Iterator[bytes]:
        """Yield the plaintext of a stream, as `Key.decrypt_stream` does, but for the status of the key."""
        check_bytes(aad=aad)
        try:
            tag = read_stream_tag(source)
            parts = decrypt_stream(source, self._cipher(tag).material, tag=tag, aad=aad)
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
        cipher = self._ciphers.get(tag)
        if cipher is None:
            with self._storage.reading_session(self.key_id) as session:
                version = session.scalars(sa.select(KeyVersion).where(KeyVersion.ciphertext_tag == tag)).one_or_none()
                if version is None or version.key.key_id != self.key_id:
                    raise DoesNotOpenError
                number = version.version_number
                if version.destroyed_at is not None:
                    named = f"version {number} of key {self.key_id!r}"
                    raise VersionDestroyedError(f"{named} is destroyed", key_id=self.key_id, version=number)
                with unwrapping(self.key_id, number):
                    opens = self._opener.read(session, version)
            with unwrapping(self.key_id, number):
                cipher = self._ciphers[tag] = opens()
        return cipher

    def close(self) -> None:
        """Wipe the material."""
        for cipher in self._ciphers.values():
            cipher.close()
        self._ciphers.clear()

    def __repr__(self) -> str:
        """Show the name only."""
        return f"<{type(self).__name__} {self.key_id!r}>"


class RevokedKeyMethods(ABC):
    """The method of a ring for keys that are revoked."""

    _storage: Storage
    _opener: Opener

    @abstractmethod
    def _check_open(self) -> None: ...

    def revoked_key(self, key_id: str, *, reason: str, actor: str | None = None) -> RevokedKey:
        """Return a revoked key for decrypting, such as to re-encrypt its data with another key.

        Needs kms_rotator. An entry `REVOKED_KEY_OPENED` of level HIGH, with `reason` and `actor`, is committed before
        this returns: write no secret into them. Close the key afterwards. Raises `UnknownKeyError`, `StatusChangeError`
        for a key that is not revoked, `KeyNotPermittedError`, `DatabaseUnavailableError`, and `ValueError` for a reason
        that is blank or that no database stores. Example::

            old = ring.revoked_key("orders", reason="move to orders-2, incident 4711")
            data = old.decrypt(blob, aad=b"invoice/17/iban")
        """
        self._check_open()
        check_texts(reason=reason)
        if not reason.strip():
            raise ValueError("give the reason for opening a revoked key: it is written to the audit log")
        with self._storage.session(key_id, _ROTATOR, actor) as session:
            require_rotator(session)
            key = session.scalars(sa.select(KeyMaster).where(KeyMaster.key_id == key_id)).one_or_none()
            if key is None:
                raise UnknownKeyError(f"there is no key named {key_id!r}", key_id=key_id)
            if key.status != KeyStatus.REVOKED:
                raise StatusChangeError(f"key {key_id!r} is {key.status}, not revoked: use it as it is", key_id=key_id)
            details = {"reason": reason, "process": process()}
            description = f"revoked key opened: {key_id}: {reason}"
            entry = use_entry(UseEvent.REVOKED_KEY_OPENED, key.id, description, details, actor)
            append(session, entry, key_id)
        return RevokedKey(self._storage, self._opener, key_id)
