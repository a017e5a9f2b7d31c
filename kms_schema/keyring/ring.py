"""The key ring: what an application uses to encrypt, and an operator to create and rotate keys."""

import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, NoReturn, Self

import sqlalchemy as sa

from kms_schema.crypto import RootKeys, Secret
from kms_schema.crypto.secret import BytesLike, check_bytes
from kms_schema.keyring.columns.column_methods import ColumnMethods
from kms_schema.keyring.columns.declarations import Declarations
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.descriptions import CiphertextDescription, KeyDescription
from kms_schema.keyring.errors import RingClosedError, UnknownCiphertextError
from kms_schema.keyring.formats.errors import DoesNotOpenError, NotACiphertextError
from kms_schema.keyring.formats.messages import too_long
from kms_schema.keyring.formats.prefix import MAX_MESSAGE_BYTES, Form, read_message_prefix, read_prefix
from kms_schema.keyring.handover.ring_methods import HandoverMethods
from kms_schema.keyring.key import Key
from kms_schema.keyring.lifecycle.new_keys import NewKey
from kms_schema.keyring.lifecycle.registry import Registry
from kms_schema.keyring.lifecycle.status_changes import StatusChanges
from kms_schema.keyring.lifecycle.version_destruction import VersionDestruction
from kms_schema.keyring.use.cache import CachePolicy, Opened
from kms_schema.keyring.use.hsm_keys import HeldKeys
from kms_schema.keyring.use.opener import Opener
from kms_schema.keyring.use.revoked_keys import RevokedKeyMethods
from kms_schema.keyring.use.versions import Versions
from kms_schema.keyring.waiting.waits import Threads, Waits
from kms_schema.keyring.worker.ring_rotations import RingRotations
from kms_schema.keyring.worker.rotation_options import RingParts
from kms_schema.vocabulary import KeyType

_RINGS: "weakref.WeakSet[KeyRing]" = weakref.WeakSet()
"""The open rings of this process, for what happens after a fork."""


class KeyRing(StatusChanges, VersionDestruction, RevokedKeyMethods, HandoverMethods, ColumnMethods, RingRotations):
    """The keys of one database, for applications and operators. Threads may share it, and processes may fork with it.

    - `engine`: the database; the ring opens connections of its own to it, at most three at once
    - `roots`: root keys, such as `RootKeys.from_files(…)` or `kms_schema.roots.open_roots(…)`; the caller closes them
    - `schema`: the schema of the tables on PostgreSQL
    - `cache`: how long the ring relies on what it has read
    - `hsms`: the `pkcs11:` URIs of HSMs that hold keys, by their names in the database (page "keyring" of the
      documentation)

    Close it at the end, or use it in a `with` block. Raises `TokenUriError` for a text that is no such URI. Example::

        with KeyRing(engine, RootKeys.from_files({"kms://root-2026": path})) as ring:
            ring.create("kek-2026", under="kms://root-2026", key_type="kek")
            ring.create("orders", under="kek-2026")
            blob = ring.key("orders").encrypt(b"DE89 3704", aad=b"invoice/17/iban")
    """

    _make_waits: "Callable[[], Waits]" = Threads

    def __init__(
        self,
        engine: sa.Engine,
        roots: RootKeys | Iterable[RootKeys],
        *,
        schema: str = "public",
        cache: CachePolicy = CachePolicy(),  # noqa: B008  (immutable)
        hsms: Mapping[str, str] | None = None,
    ) -> None:
        """Open the ring; nothing is read yet."""
        given = tuple(roots) if isinstance(roots, Iterable) else (roots,)
        self._waits = self._make_waits()
        self._roots = tuple(self._waits.roots(each) for each in given)
        self._held = HeldKeys(hsms or {}, self._roots, self._waits)
        self._storage = Storage(engine, schema, self._waits)
        self._policy = cache
        self._registry = Registry(self._storage, self._roots, self._held)
        self._opener = Opener(self._roots, self._held)
        self._versions = Versions(self._storage, self._opener, cache)
        self._declarations = Declarations(self._storage)
        self._revoked_keys = weakref.WeakSet()
        self._is_closed = False
        weakref.finalize(self, _abandon, self._versions).atexit = False
        _RINGS.add(self)

    def key(self, key_id: str) -> Key:
        """Return the key with this name for use. Nothing is read before it is used."""
        return Key(self, key_id)

    def create(  # noqa: PLR0913  (each is a property of the key)
        self,
        key_id: str,
        *,
        under: str | None = None,
        key_type: str = "dek",
        algorithm: str | None = None,
        key_size_bits: int = 256,
        material: BytesLike | Secret | None = None,
        hsm: str | None = None,
        ciphertext_tag: int | None = None,
        used: int = 0,
        actor: str | None = None,
        **columns: Any,
    ) -> KeyDescription:
        """Register a key, give it its first version and activate it, in one transaction.

        - `key_id`: its name. `under`: the name of a KEK, or a root such as `kms://root-2026`; or `hsm`: the name of the
          HSM that makes and holds the key, a `dek` or `hsm` key of `AES-256-GCM`
        - `key_type`: `dek`, `kek`, `tls`, `backup` or `hsm`. `algorithm`: of a dek `XAES-256-GCM` (the default) or
          `AES-256-GCM`. `key_size_bits`: bits of the key
        - `material`: of a key made elsewhere, `key_size_bits` long and random. `ciphertext_tag`: its tag there, such as
          the key id of a Tink keyset. `used`: the number of its encryptions so far
        - `actor`: the user in the entries of the audit log
        - `columns`: of the key: `expires_at`, `max_usage_count`, `parent_key_id`, `security_level`, `compliance_tags`,
          `derivation_path`, `hsm_metadata`; and `activated_at`, the time in the past since which an imported key is in
          use

        Needs kms_admin and kms_rotator. With kms_admin alone the key is registered and pending, and `next_step` of the
        result says how a login in kms_rotator gives it a version: by the same call. Raises `KeyExistsError`,
        `UnknownKeyError` and `WrapperUnavailableError` for `under`, `MaterialUnavailableError` if the wrapper does not
        open, `HsmUnavailableError`, `CiphertextTagError`, `UnsupportedKeyError`, `KeyNotPermittedError`, and
        `TypeError` for other columns. Example::

            ring.create("orders", under="kek-2026", max_usage_count=10**9, actor="alice")
        """
        self._check_open()
        if material is not None and not isinstance(material, Secret):
            check_bytes(material=material)
        secret = material if isinstance(material, Secret) or material is None else Secret.copy_of(material)
        is_copy = secret is not material
        del material  # so that a traceback with its variables does not have it
        try:
            kind = KeyType(key_type)
            new = NewKey(key_id, under, kind, algorithm, key_size_bits, secret, hsm, ciphertext_tag, used, columns)
            described = self._registry.create(new, actor)
        finally:
            if secret is not None and is_copy:
                secret.wipe()
        self._versions.cache.forget(key_id)
        return described

    def rotate(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Give a key a new version, which is live at once; the old one ends, and decrypts as before.

        The new version is under the live version of the key that wraps the old one, or under the same root. One
        transaction; needs kms_rotator. Raises `UnknownKeyError`, `KeyStateError` for a key that is not active or has no
        live version, `WrapperUnavailableError`, `MaterialUnavailableError`, `KeyNotPermittedError`.
        """
        self._check_open()
        described = self._registry.rotate(key_id, actor)
        self._versions.cache.forget(key_id)
        return described

    def inspect(self, blob: BytesLike) -> CiphertextDescription:
        """Return which version made a ciphertext, a message or a stream. No root key is needed: nothing is opened.

        Raises `UnknownCiphertextError` for bytes that are no ciphertext, or of no version of this database.
        """
        self._check_open()
        check_bytes(blob=blob)
        try:
            form, tag = read_prefix(blob)
            if form is Form.MESSAGE:
                read_message_prefix(blob)  # its length
        except NotACiphertextError:
            raise UnknownCiphertextError("these bytes are no ciphertext of a key ring") from None
        state = self._storage.read_tag(tag)
        if state is None or state.version is None:
            raise UnknownCiphertextError(f"no version has the tag {tag}, or this login may not see it")
        version = state.version
        return CiphertextDescription(
            state.key_id, version.number, tag, state.status, version.is_live, version.is_destroyed
        )

    def close(self) -> None:
        """Write the last entries, close the connections of the ring and forget its material."""
        if not self._is_closed:
            self._is_closed = True
            _RINGS.discard(self)
            try:
                self._versions.listener.close()
                self._versions.uses.close()
            finally:  # a task may be cancelled
                self._versions.cache.clear()
                self._close_revoked_keys()
                self._storage.close()
                self._held.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise RingClosedError("the key ring is closed")

    def _encrypt(self, key_id: str, data: BytesLike, aad: BytesLike) -> bytes:
        self._check_open()
        if len(data) > MAX_MESSAGE_BYTES:  # before the use is counted
            raise too_long()
        return self._versions.for_encrypting(key_id, len(data)).cipher.encrypt(data, aad=aad)

    def _open_for_caller(self, key_id: str, size: int) -> Opened:
        """Return the live version, one use counted, once it is stored that its ciphertexts may be anywhere."""
        self._check_open()
        opened = self._versions.for_encrypting(key_id, size)
        if key_id not in self._declarations.elsewhere:
            self._declarations.declare_elsewhere(key_id)
        return opened

    def _decrypt(self, key_id: str, blob: BytesLike, aad: BytesLike) -> tuple[bytes, bool]:
        """Return the plaintext, and True if the key encrypts with the version that made the ciphertext."""
        self._check_open()
        try:
            opened = self._versions.for_decrypting(key_id, read_message_prefix(blob))
            return opened.cipher.decrypt(blob, aad=aad), opened.version.is_live
        except (NotACiphertextError, DoesNotOpenError) as error:
            hint = error.hint
        raise self._versions.does_not_open(key_id, hint)  # outside of `except`: the error shows no other one

    def _for_rotations(self) -> RingParts:
        self._check_open()
        cache = self._versions.cache
        return RingParts(
            self._storage, self._registry, self._roots, self._held, self._policy.max_age, cache.forget
        )  # fmt: skip

    def _after_fork(self) -> None:
        self._storage.forget_connections()
        self._versions.forget_process()
        self._close_revoked_keys()  # the entry about their opening names the parent

    def __repr__(self) -> str:
        """Show the state only."""
        return f"<{type(self).__name__}, {'closed' if self._is_closed else 'open'}>"

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: a pickle would be a copy of keys."""
        raise TypeError("a key ring is neither pickled nor copied: make one in each process")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the ring."""
        self.close()


def _abandon(versions: Versions) -> None:
    versions.listener.abandon()
    versions.uses.abandon()


def _after_fork() -> None:
    for ring in list(_RINGS):
        ring._after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
