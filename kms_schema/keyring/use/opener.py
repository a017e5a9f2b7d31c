"""Opens versions: unwraps material, or finds the key object of an HSM."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kms_schema.crypto import CryptoError, KeyWrapping, NoMaterialError, RootKeys, Secret
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import MaterialUnavailableError
from kms_schema.keyring.formats.messages import MessageCipher, message_cipher
from kms_schema.keyring.use.hsm_keys import HeldKeys
from kms_schema.keyring.use.states import KeyState, Version
from kms_schema.models import KeyVersion


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
