"""Opens versions: unwraps material, or finds the key object of an HSM."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.orm import Session

from kms_schema.crypto import CryptoError, KeyWrapping, RootKeys, Secret
from kms_schema.keyring.errors import MaterialUnavailableError
from kms_schema.keyring.formats.messages import MessageCipher, message_cipher
from kms_schema.keyring.use.hsm_keys import HeldKeys
from kms_schema.models import KeyVersion


class Opener:
    """The roots and the HSMs of a ring."""

    def __init__(self, roots: Sequence[RootKeys], held: HeldKeys) -> None:
        """Unwrap with `roots`, and use the HSMs of `held`."""
        self._wrapping = KeyWrapping(*roots)
        self.held = held

    def read(self, session: Session, version: KeyVersion) -> Callable[[], MessageCipher]:
        """Read what opens a version, and return a function that opens it once `session` has ended.

        A root may take seconds to answer, and uses of other keys need the connection meanwhile. Raises
        `MaterialUnavailableError` (`hsm`) for a version in an HSM; the function raises `CryptoError`.
        """
        if version.hsm_key_id is not None:
            cipher = self.held.cipher(session, version)
            return lambda: cipher
        wrappers: set[KeyVersion] = set()
        wrapper: KeyVersion | None = version
        while wrapper is not None and wrapper.key is not None and wrapper not in wrappers:
            wrappers.add(wrapper)
            wrapper = wrapper.wrapped_by
        return lambda: message_cipher(version.key.algorithm, version.ciphertext_tag, self.material(version))

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
