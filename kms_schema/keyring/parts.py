"""The parts of a key ring, made once and given to its keys and to what its methods do."""

import os
import weakref
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.crypto.secret import BytesLike
from kms_schema.keyring.columns.declarations import Declarations
from kms_schema.keyring.columns.host_columns import ELSEWHERE
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import RingClosedError
from kms_schema.keyring.formats.errors import DoesNotOpenError, NotACiphertextError
from kms_schema.keyring.formats.messages import too_long
from kms_schema.keyring.formats.prefix import MAX_MESSAGE_BYTES, read_message_prefix
from kms_schema.keyring.lifecycle.registry import Registry
from kms_schema.keyring.use.cache import CachePolicy, Opened
from kms_schema.keyring.use.opener import HeldKeys, Opener
from kms_schema.keyring.use.revoked_keys import RevokedKey
from kms_schema.keyring.use.versions import Versions
from kms_schema.keyring.waiting.waits import EventLoops, Waits

_OPEN: "weakref.WeakSet[RingParts]" = weakref.WeakSet()
"""Those of the open rings of this process, for what happens after a fork."""


class RingParts:
    """All that a ring has. Closed with it."""

    def __init__(  # noqa: PLR0913  (each is a parameter of the ring)
        self,
        engine: sa.Engine,
        roots: RootKeys | Iterable[RootKeys],
        *,
        schema: str,
        cache: CachePolicy,
        hsms: Mapping[str, str] | None,
        waits: Waits,
    ) -> None:
        """Take the parameters of `KeyRing`, and how it waits. Nothing is read yet."""
        given = tuple(roots) if isinstance(roots, Iterable) else (roots,)
        self.waits: Waits = waits
        self.policy: CachePolicy = cache
        self.roots: Sequence[RootKeys] = tuple(waits.roots(each) for each in given)
        self.held: HeldKeys = HeldKeys(hsms or {}, self.roots, waits)
        self.storage: Storage = Storage(engine, schema, waits)
        self.registry: Registry = Registry(self.storage, self.roots, self.held)
        self.opener: Opener = Opener(self.storage, self.roots, self.held)
        self.versions: Versions = Versions(self.storage, self.opener, cache)
        self.declarations: Declarations = Declarations(self.storage)
        self.revoked_keys: weakref.WeakSet[RevokedKey] = weakref.WeakSet()
        """Those that are closed with the ring, and in a forked process."""
        self.is_closed: bool = False
        self._loops = waits if isinstance(waits, EventLoops) else None
        weakref.finalize(self, _abandon, self.versions).atexit = False
        _OPEN.add(self)

    def check_open(self) -> None:
        """Raise `RingClosedError` if the ring is closed. Of one for tasks, begin again in another event loop."""
        if self.is_closed:
            raise RingClosedError("the key ring is closed")
        if self._loops is not None and self._loops.has_moved():
            self.versions.leave_event_loop()
            self.storage.leave_event_loop()

    def forget(self, key_id: str) -> None:
        """Have the row of a key read again, as after a change by this process."""
        self.versions.cache.forget(key_id)

    def encrypt(self, key_id: str, data: BytesLike, aad: BytesLike) -> bytes:
        """Return a ciphertext under the live version of a key, for a column that is declared. The use is counted."""
        self.check_open()
        if len(data) > MAX_MESSAGE_BYTES:  # before the use is counted
            raise too_long()
        return self.versions.for_encrypting(key_id, len(data)).cipher.encrypt(data, aad=aad)

    def open_for_caller(self, key_id: str, size: int) -> Opened:
        """Return the live version, one use counted, once it is stored that its ciphertexts may be anywhere."""
        self.check_open()
        opened = self.versions.for_encrypting(key_id, size)
        if key_id not in self.declarations.elsewhere:
            if not opened.state.encrypts_elsewhere:
                self.declarations.add(key_id, ELSEWHERE)
            self.declarations.elsewhere.add(key_id)
        return opened

    def decrypt(self, key_id: str, blob: BytesLike, aad: BytesLike) -> tuple[bytes, bool]:
        """Return the plaintext, and True if the key encrypts with the version that made the ciphertext."""
        self.check_open()
        try:
            opened = self.versions.for_decrypting(key_id, read_message_prefix(blob))
            return opened.cipher.decrypt(blob, aad=aad), opened.version.is_live
        except (NotACiphertextError, DoesNotOpenError) as error:
            hint = error.hint
        raise self.versions.does_not_open(key_id, hint)  # outside of `except`: the error shows no other one

    def close(self) -> None:
        """Write the last entries, close the connections and forget the material."""
        if self.is_closed:
            return
        self.check_open()
        self.is_closed = True
        _OPEN.discard(self)
        try:
            self.versions.listener.close()
            self.versions.uses.close()
        finally:  # a task may be cancelled
            self.versions.cache.clear()
            self._close_revoked_keys()
            self.storage.close()
            self.held.close()

    def after_fork(self) -> None:
        """Begin again in a forked process."""
        if self._loops is not None:
            self._loops.forget()
        self.storage.forget_connections()
        self.versions.forget_process()
        self._close_revoked_keys()  # the entry about their opening names the parent

    def _close_revoked_keys(self) -> None:
        for each in list(self.revoked_keys):
            each.close()
        self.revoked_keys.clear()


def _abandon(versions: Versions) -> None:
    versions.listener.abandon()
    versions.uses.abandon()


def _after_fork() -> None:
    for parts in list(_OPEN):
        parts.after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
