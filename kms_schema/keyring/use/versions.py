"""Opens versions for use: reads their state, unwraps their material, and counts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import sqlalchemy as sa

from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import (
    DatabaseUnavailableError,
    DecryptionError,
    EventLoopError,
    KeyNotPermittedError,
    KeyRingError,
    KeyStateError,
    UnknownKeyError,
    UnsupportedKeyError,
    does_not_open,
    taken_too_late,
)
from kms_schema.keyring.use.audit_entries import Uses
from kms_schema.keyring.use.cache import Cache, CachePolicy, Opened
from kms_schema.keyring.use.opener import HeldCipher, Opener, no_streams
from kms_schema.keyring.use.reserved_uses import Block, Reservations
from kms_schema.keyring.use.states import KeyState, Version
from kms_schema.keyring.waiting.notices import Listener


class Versions:
    """The versions of one database that this process uses."""

    def __init__(self, storage: Storage, opener: Opener, policy: CachePolicy) -> None:
        """Read through `storage`, and open versions with `opener`."""
        self._storage = storage
        self._transactions = storage.open_transactions
        self._waits = storage.waits
        self._reservations = Reservations(storage)
        self._opener = opener
        self._policy = policy
        self.cache: Cache = Cache(policy, self._waits)
        self.uses: Uses = Uses(storage)
        self.listener: Listener = self._waits.listener(storage.engine, self.note_change)

    def note_change(self, key_id: str | None) -> None:
        """Take a notice that a key may have changed; None is for all keys."""
        self.cache.note_change(key_id)

    def leave_event_loop(self) -> None:
        """Begin again in another event loop: listen there, and read again what may have changed since."""
        self.listener.forget()
        self.uses.leave_event_loop()
        self.note_change(None)

    def forget_process(self) -> None:
        """Begin again in a forked process: without the reservations, counts and locks of the parent."""
        self.listener.forget()
        self.cache = Cache(self._policy, self._waits)
        self.uses = Uses(self._storage)

    def encrypts_at_once(self, key_id: str, size: int) -> Opened | None:
        """Return the live version of a key, one use counted, where nothing is to be read, reserved or written.

        Most uses end here. It waits for nothing, so it needs no greenlet in an event loop. Else it returns None.
        """
        opened = self.cache.live(key_id)
        # The clock is compared with both times.
        if (
            opened is None
            or not opened.cipher.in_memory
            or not opened.tally.due > time.monotonic() < opened.encrypts_until
            or not opened.block.take_reserved(size)
        ):
            return None
        self.cache.note_encryption(opened, size)
        opened.tally.encrypted(size)
        return opened

    def for_encrypting(self, key_id: str, size: int) -> Opened:
        """Return the live version of a key, one use of `size` bytes counted. Raises the error of the reason."""
        opened = self.encrypts_at_once(key_id, size)
        if opened is None:
            opened = self._reserved(key_id, size)
            self.cache.note_encryption(opened, size)
            if opened.records_each_use:
                self._record(opened, encryptions=1, size=size)
            else:
                opened.tally.encrypted(size)
        return opened

    def refuse_streams(self, key_id: str) -> None:
        """Raise `UnsupportedKeyError` for a key that an HSM holds: a stream needs it in memory."""
        with self._refusals(key_id):
            opened = self.cache.live(key_id)
            state = self._storage.read_key(key_id) if opened is None else opened.state
            if state is not None and state.is_held:
                raise no_streams(key_id)

    def _record(self, opened: Opened, **counts: int) -> None:
        """Write an entry about one use, before it happens; its errors refuse the use."""
        try:
            self.uses.record(opened.state, opened.version, **counts)
        except sa.exc.MissingGreenlet:
            raise UnsupportedKeyError(
                f"key {opened.state.key_id!r} is held in an HSM that has each use recorded (audit_all_operations): a"
                " value of it cannot be read from a result of AsyncSession, where nothing can be awaited",
                key_id=opened.state.key_id,
            ) from None

    def _reserved(self, key_id: str, size: int) -> Opened:
        with self._refusals(key_id):
            while True:
                opened = self._live(key_id)
                state = opened.state  # another thread may exchange it
                try:
                    state.check_encrypting(time.monotonic())  # a decryption may have read it
                    if not opened.records_each_use:
                        self.uses.write_due(opened.tally)
                    self._block(opened).take(size, partial(self._reservations.uses, state, opened.version))
                except KeyStateError as error:
                    if error.reason != "not_live":
                        raise
                    self.cache.forget(key_id)  # another process has rotated the key since its row was read
                else:
                    return opened

    def decrypts_at_once(self, key_id: str, tag: int) -> Opened | None:
        """Return the version with a tag, if it is one of this key and nothing is to be read or written; else None."""
        opened = self._ready(key_id, tag)
        if opened is None:
            return None
        opened.is_used = True
        opened.tally.decrypted()
        return opened

    def for_decrypting(self, key_id: str, tag: int) -> Opened:
        """Return the version with a tag, if it is one of this key. Raises the error of the reason."""
        opened = self.decrypts_at_once(key_id, tag)
        if opened is None:
            opened = self._made_ready(key_id, tag)
            opened.is_used = True
            if opened.records_each_use:
                self._record(opened, decryptions=1)
            else:
                opened.tally.decrypted()
        return opened

    def _ready(self, key_id: str, tag: int) -> Opened | None:
        """Return the version with a tag, if it decrypts without a read or a write."""
        opened = self.cache.version(tag)
        if opened is None or not opened.cipher.in_memory or opened.state.key_id != key_id:
            return None
        return opened if opened.tally.due > time.monotonic() < opened.decrypts_until else None

    def _made_ready(self, key_id: str, tag: int) -> Opened:
        with self._refusals(key_id):
            try:
                opened = self._of_tag(key_id, tag)
            except sa.exc.MissingGreenlet:
                opened = self._of_result(key_id, tag)
            opened.state.check_decrypting()
            if not opened.records_each_use:
                self.uses.write_due(opened.tally)
        return opened

    def _of_result(self, key_id: str, tag: int) -> Opened:
        """Return a version that a statement has opened, for a value of its result, where nothing can be awaited."""
        opened = self.cache.version(tag)
        if opened is None or not self.cache.may_decrypt_a_result(opened, time.monotonic()):
            raise taken_too_late(key_id) from None
        return _of_key(opened, key_id)

    def open_for_decrypting(self, key_id: str, tag: int) -> None:
        """Have the version with a tag open, without a use, so that uses of it wait for nothing. Raises the error."""
        if self._ready(key_id, tag) is None:
            self._made_ready(key_id, tag)

    def go_on(self, opened: Opened, size: int) -> None:
        """Count `size` bytes more of a use that has begun. Raises the error of the reason if the key may not decrypt.

        The row of the key is read again after `max_age`, and before more bytes are reserved in the database.
        """
        state, version = opened.state, opened.version
        with self._refusals(state.key_id):
            self._of_tag(state.key_id, version.tag).state.check_decrypting()
            if not opened.records_each_use:
                self.uses.write_due(opened.tally)
            if size:
                self._block(opened).take_bytes(size, partial(self._reservations.bytes, state, version))
        if size:
            opened.bytes += size
            opened.tally.read(size)

    def does_not_open(self, key_id: str, hint: str | None = None) -> DecryptionError:
        """Return the error of a ciphertext that does not open; the refusal is written to the audit log."""
        error = does_not_open(key_id, hint)
        self.uses.refused(key_id, error)
        return error

    @contextmanager
    def _refusals(self, key_id: str) -> Iterator[None]:
        """Write to the audit log that a use was refused. Outside of all locks, since writing may wait."""
        try:
            yield
        except (DatabaseUnavailableError, EventLoopError, UnknownKeyError, KeyNotPermittedError):
            raise
        except KeyRingError as error:
            self.uses.refused(key_id, error)
            raise

    def _live(self, key_id: str) -> Opened:
        """Return the live version of a key; its row is read if that was too long ago."""
        opened = self.cache.live(key_id)
        if opened is not None and self.cache.is_fresh(opened, time.monotonic()):
            return opened
        with self.cache.loading(key_id):
            opened = self.cache.live(key_id)
            if opened is not None and self.cache.is_fresh(opened, time.monotonic()):
                return opened  # another thread has read it
            try:
                state = self._storage.read_key(key_id)
            except DatabaseUnavailableError:
                now = time.monotonic()
                if opened is None or not self.cache.may_encrypt_without_a_database(opened, now):
                    raise
                self.cache.wait_for_database(opened, now)
                return opened
            if state is None:
                raise UnknownKeyError(f"there is no key named {key_id!r}", key_id=key_id)
            version = state.check_encrypting(time.monotonic())
            return self._opened(state, version, self.cache.version(version.tag))

    def _of_tag(self, key_id: str, tag: int) -> Opened:
        """Return a version of a key by its tag; its row is read if that was too long ago, and there is a database.

        Another key's is refused before anything is opened: AES-GCM does not commit to a key.
        """
        known = self.cache.version(tag)
        if known is not None and self.cache.is_fresh(known, time.monotonic()):
            return _of_key(known, key_id)
        with self.cache.loading(tag):
            opened = self.cache.version(tag)
            if opened is not None and self.cache.is_fresh(opened, time.monotonic()):
                return _of_key(opened, key_id)
            try:
                state = self.cache.read_once(key_id, tag, partial(self._storage.read_tag, tag, key_id))
            except DatabaseUnavailableError:
                now = time.monotonic()
                if known is not None and self.cache.may_decrypt_without_a_database(known, now):
                    self.cache.wait_for_database(known, now)
                    return _of_key(known, key_id)
                raise
            if state is None or state.key_id != key_id:
                raise does_not_open(key_id)
            return self._opened(state, state.check_decrypting(), opened)

    def _opened(self, state: KeyState, version: Version, known: Opened | None) -> Opened:
        """Return a version, open, with the state that was read; its material never changes."""
        self.listener.begin()
        if known is not None and known.version.id == version.id:
            if isinstance(known.cipher, HeldCipher):
                self._look_at_hsm(known, known.cipher)
            self.cache.refresh(known, state, version)
            return known
        cipher = self._opener.open(state, version)
        opened = Opened(state, version, cipher, self.uses.tally(state, version), Block(self._waits))
        if isinstance(cipher, HeldCipher):
            self._look_at_hsm(opened, cipher)
        self.cache.put(opened)
        return opened

    def _look_at_hsm(self, opened: Opened, cipher: HeldCipher) -> None:
        """Raise the error `hsm` if the HSM of a version is disabled, and note what is to be recorded."""
        with self._storage.reading_session(opened.state.key_id) as session:
            hsm = self._opener.held.usable(session, cipher)
        opened.records_each_use = hsm.audit_all_operations

    def _block(self, opened: Opened) -> Block:
        """Return the block to count in: of the process, or of the open transaction of this thread on SQLite.

        A thread that has the write lock of the file must not wait for one that waits for that lock.
        """
        if self._transactions is None or self._transactions.current() is None:
            return opened.block
        block: Block = self._transactions.blocks.setdefault(opened.version.id, Block(self._waits))
        return block


def _of_key(opened: Opened, key_id: str) -> Opened:
    if opened.state.key_id != key_id:
        raise does_not_open(key_id)
    return opened
