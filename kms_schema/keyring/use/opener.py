"""Opens versions: unwraps material, or finds the key object of an HSM, where keys are made, used and destroyed, too.

The bytes of their ciphertexts are those of AES-256-GCM in memory.

An object is made before the row of its version is committed, and destroyed before the row says so: no committed version
ever lacks its object. A process that dies in between leaves an object without a version, which `hsm check` lists.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import CryptoError, KeyWrapping, NoMaterialError, RootKeys, Secret
from kms_schema.crypto.secret import BytesLike
from kms_schema.hsm.configurations import UsableHsm, usable_hsm
from kms_schema.hsm.handles import Handle, hsm_of_key, key_reference
from kms_schema.hsm.hsms import Hsms, learn_stored_pin
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import MaterialUnavailableError, UnsupportedKeyError
from kms_schema.keyring.formats.messages import Gcm, MessageCipher, message_cipher
from kms_schema.keyring.formats.prefix import Algorithm
from kms_schema.keyring.use.states import AES, ENCRYPTING, KeyState, Version
from kms_schema.keyring.waiting.waits import Waits
from kms_schema.models import KeyMaster, KeyVersion

if TYPE_CHECKING:
    from kms_schema.hsm.key_objects import KeyObjects


class HeldKey:
    """AES-256-GCM under one key object."""

    def __init__(self, objects: "KeyObjects", handle: Handle, named: tuple[str, int], waits: Waits) -> None:
        """Use a key object; `named` is the key and the number of its version, for messages."""
        self._objects = objects
        self.handle = handle
        self.key_id: str = named[0]
        self.version: int = named[1]
        self._waits = waits

    def encrypt(self, nonce: bytes, data: BytesLike, associated_data: BytesLike | None) -> bytes:
        """Return ciphertext and tag. Raises `MaterialUnavailableError` (`hsm`)."""
        return self._call(lambda: self._objects.encrypt(self.handle.object_id, nonce, data, associated_data or b""))

    def decrypt(self, nonce: bytes, data: BytesLike, associated_data: BytesLike | None) -> bytes:
        """Return the plaintext. Raises `InvalidTag` of cryptography, and `MaterialUnavailableError` (`hsm`)."""
        return self._call(lambda: self._objects.decrypt(self.handle.object_id, nonce, data, associated_data or b""))

    def _call(self, work: Callable[[], bytes]) -> bytes:
        try:
            return self._waits.call(work)
        except CryptoError as error:
            raise MaterialUnavailableError(
                f"version {self.version} of key {self.key_id!r} cannot be used in HSM {self.handle.hsm!r}: {error}",
                key_id=self.key_id,
                version=self.version,
                reason="hsm",
            ) from None


class HeldCipher(MessageCipher):
    """Encrypts and decrypts messages in a token, under nonces of this process. Threads may share it."""

    algorithm = Algorithm.AES_256_GCM
    in_memory = False

    def __init__(self, tag: int, key: HeldKey) -> None:
        """Use the key of the version with a `ciphertext_tag`."""
        super().__init__(tag)
        self.key = key

    @property
    def material(self) -> NoReturn:
        """Raise `UnsupportedKeyError`: the key is in no memory."""
        raise no_streams(self.key.key_id)

    def _cipher(self, nonce: bytes) -> Gcm:  # noqa: ARG002
        return self.key

    def close(self) -> None:
        """Do nothing: this process has no material."""


class HeldKeys:
    """Uses the HSMs that a ring was given."""

    def __init__(self, uris: Mapping[str, str], roots: Sequence[RootKeys], waits: Waits) -> None:
        """Take the URIs of HSMs by name, and the roots of stored credentials. Raises `TokenUriError`."""
        self._hsms = Hsms(uris)
        self._roots = roots
        self._waits = waits

    def cipher(self, session: Session, version: KeyVersion) -> HeldCipher:
        """Return the cipher of a version that an HSM holds. Raises `MaterialUnavailableError` (`hsm`)."""
        with _refusals(version.key.key_id, version.version_number):
            handle = Handle.parse(version.hsm_key_id or "")
            usable_hsm(session, handle.hsm)
            learn_stored_pin(session, self._hsms, handle.hsm, self._roots)
            objects = self._hsms.objects(handle.hsm)
        key = HeldKey(objects, handle, (version.key.key_id, version.version_number), self._waits)
        return HeldCipher(version.ciphertext_tag, key)

    def usable(self, session: Session, cipher: HeldCipher) -> UsableHsm:
        """Return the HSM of a cipher if its keys may still be used. Raises `MaterialUnavailableError` (`hsm`)."""
        with _refusals(cipher.key.key_id, cipher.key.version):
            return usable_hsm(session, cipher.key.handle.hsm)

    def place(self, session: Session, key: KeyMaster, hsm: str) -> None:
        """Have the versions of a new key be made in the HSM named `hsm`, which `session` looks up.

        Raises `UnsupportedKeyError` and `MaterialUnavailableError` (`hsm`).
        """
        check_form(key)
        with _refusals(key.key_id, 1):
            key.hsm_provider = usable_hsm(session, hsm).provider
        key.hsm_key_id = key_reference(hsm, key.key_id)

    def new_version(self, session: Session, key: KeyMaster) -> KeyVersion:
        """Make a key object, and return a version with it. The object is destroyed if the session does not commit.

        Raises `UnsupportedKeyError` for a key that no HSM makes, and `MaterialUnavailableError` (`hsm`).
        """
        check_form(key)
        number = max((version.version_number for version in key.versions), default=0) + 1
        with _refusals(key.key_id, number):
            hsm = hsm_of_key(key.hsm_key_id or "")
            usable_hsm(session, hsm)
            learn_stored_pin(session, self._hsms, hsm, self._roots)
            handle = self._waits.call(lambda: self._hsms.generate(hsm, f"{key.key_id} version {number}"))
        self._destroy_unless_committed(session, handle)
        return KeyVersion(key=key, version_number=number, hsm_key_id=str(handle))

    def destroy(self, session: Session, version: KeyVersion, hsm_key_id: str) -> None:
        """Destroy the object with the handle that a version had, `hsm_key_id`. Raises `MaterialUnavailableError`.

        `session` reads a stored PIN.
        """
        with _refusals(version.key.key_id, version.version_number):
            handle = Handle.parse(hsm_key_id)
            learn_stored_pin(session, self._hsms, handle.hsm, self._roots)
            self._waits.call(lambda: self._hsms.destroy(handle))

    def close(self) -> None:
        """End the logins, and wipe the PINs."""
        self._hsms.close()

    def _destroy_unless_committed(self, session: Session, handle: Handle) -> None:
        is_committing = False

        def before_commit(committing: Session) -> None:
            nonlocal is_committing
            # A COMMIT whose answer is lost may have happened: from then on the object stays.
            is_committing = is_committing or not committing.in_nested_transaction()

        def after_end(_session: Session, transaction: "sa.orm.SessionTransaction") -> None:
            if transaction.parent is None and not is_committing:
                with suppress(CryptoError):
                    self._waits.call(lambda: self._hsms.destroy(handle))

        sa.event.listen(session, "before_commit", before_commit)
        sa.event.listen(session, "after_transaction_end", after_end)


def check_form(key: KeyMaster) -> None:
    """Raise `UnsupportedKeyError` unless an HSM can hold a key."""
    if key.key_type not in ENCRYPTING:
        raise UnsupportedKeyError(
            f"key {key.key_id!r} is a {key.key_type} key: an HSM holds dek and hsm keys; a root in a token wraps with"
            " HMAC there, as --root-key REF=pkcs11:… says",
            key_id=key.key_id,
        )
    if (key.algorithm, key.key_size_bits) != (AES, 256):
        raise UnsupportedKeyError(
            f"key {key.key_id!r} is {key.algorithm} with {key.key_size_bits} bits: an HSM holds keys of {AES} with 256",
            key_id=key.key_id,
        )


@contextmanager
def _refusals(key_id: str, version: int) -> Iterator[None]:
    try:
        yield
    except CryptoError as error:
        raise MaterialUnavailableError(
            f"version {version} of key {key_id!r} is in an HSM that cannot be used: {error}",
            key_id=key_id,
            version=version,
            reason="hsm",
        ) from None


def no_streams(key_id: str) -> UnsupportedKeyError:
    """Return the error of a stream under a key that an HSM holds."""
    return UnsupportedKeyError(
        f"key {key_id!r} is held in an HSM: it encrypts messages, and no streams or files, whose key is derived in"
        " memory; encrypt them with a key that a KEK wraps",
        key_id=key_id,
    )


class Opener:
    """The roots and the HSMs of a ring."""

    def __init__(self, storage: Storage, roots: Sequence[RootKeys], held: HeldKeys) -> None:
        """Read through `storage`, unwrap with `roots`, and use the HSMs of `held`."""
        self._storage = storage
        self._wrapping = KeyWrapping(*roots)
        self.held = held

    def open(self, state: KeyState, version: Version) -> MessageCipher:
        """Return the cipher of a version of a key.

        A root may take seconds to answer, and uses of other keys need the connection meanwhile: it is given back first.
        Raises `MaterialUnavailableError`, with the reason `hsm` for a version in an HSM.
        """
        with unwrapping(state.key_id, version.number):
            if state.is_held:
                with self._storage.reading_session(state.key_id) as session:
                    return self.held.cipher(session, session.get_one(KeyVersion, version.id))
            stored = self._storage.read_material(state.key_id, version.id)
            if stored is None:
                raise NoMaterialError("there is no such version any more")
            material = self._wrapping.unwrap(stored)
            return message_cipher(state.algorithm, version.tag, material)

    def material(self, version: KeyVersion) -> Secret:
        """Return the material of a version, for the caller to wipe. Raises `CryptoError`."""
        return self._wrapping.unwrap(version)


@contextmanager
def unwrapping(key_id: str, version: int) -> Iterator[None]:
    """Raise `MaterialUnavailableError` in place of the errors of envelopes and root keys."""
    try:
        yield
    except CryptoError as error:
        raise MaterialUnavailableError(
            f"version {version} of key {key_id!r} cannot be opened: {error}", key_id=key_id, version=version
        ) from None
