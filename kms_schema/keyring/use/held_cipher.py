"""The cipher of a version whose key an HSM holds: the bytes are those of AES-256-GCM in memory."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from kms_schema.crypto.errors import CryptoError
from kms_schema.crypto.secret import BytesLike
from kms_schema.hsm.handles import Handle
from kms_schema.keyring.errors import HsmUnavailableError, UnsupportedKeyError
from kms_schema.keyring.formats.messages import Gcm, MessageCipher
from kms_schema.keyring.formats.prefix import Algorithm
from kms_schema.keyring.waiting.waits import Waits

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
        """Return ciphertext and tag. Raises `HsmUnavailableError`."""
        return self._call(lambda: self._objects.encrypt(self.handle.object_id, nonce, data, associated_data or b""))

    def decrypt(self, nonce: bytes, data: BytesLike, associated_data: BytesLike | None) -> bytes:
        """Return the plaintext. Raises `InvalidTag` of cryptography, and `HsmUnavailableError`."""
        return self._call(lambda: self._objects.decrypt(self.handle.object_id, nonce, data, associated_data or b""))

    def _call(self, work: Callable[[], bytes]) -> bytes:
        try:
            return self._waits.call(work)
        except CryptoError as error:
            raise HsmUnavailableError(
                f"version {self.version} of key {self.key_id!r} cannot be used in HSM {self.handle.hsm!r}: {error}",
                key_id=self.key_id,
                version=self.version,
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


def no_streams(key_id: str) -> UnsupportedKeyError:
    """Return the error of a stream under a key that an HSM holds."""
    return UnsupportedKeyError(
        f"key {key_id!r} is held in an HSM: it encrypts messages, and no streams or files, whose key is derived in"
        " memory; encrypt them with a key that a KEK wraps",
        key_id=key_id,
    )
