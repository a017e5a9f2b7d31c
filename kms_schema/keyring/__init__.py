"""Keys that applications use. `formats` has the bytes of ciphertexts (page "ciphertexts" of the documentation)."""

from kms_schema.keyring.asynchronous.async_keys import AsyncKey, AsyncRevokedKey
from kms_schema.keyring.asynchronous.async_ring import AsyncKeyRing
from kms_schema.keyring.columns.encrypted_column import EncryptedColumn, RowCiphertext
from kms_schema.keyring.columns.reencrypting import Reencryption
from kms_schema.keyring.descriptions import CiphertextDescription, KeyDescription
from kms_schema.keyring.errors import (
    ColumnError,
    DatabaseUnavailableError,
    DecryptionError,
    EventLoopError,
    HandoverError,
    KeyExistsError,
    KeyInUseError,
    KeyNotPermittedError,
    KeyRevokedError,
    KeyRingError,
    KeyStateError,
    MaterialUnavailableError,
    RingClosedError,
    UnknownKeyError,
    UnsupportedKeyError,
    UsageLimitError,
    VersionDestroyedError,
    WrapperUnavailableError,
)
from kms_schema.keyring.key import Key
from kms_schema.keyring.ring import KeyRing
from kms_schema.keyring.use.cache import CachePolicy
from kms_schema.keyring.use.revoked_keys import RevokedKey
from kms_schema.keyring.worker.rotation_runs import RotationRun

__all__ = [
    "AsyncKey", "AsyncKeyRing", "AsyncRevokedKey", "CachePolicy", "CiphertextDescription", "ColumnError",
    "DatabaseUnavailableError", "DecryptionError", "EncryptedColumn", "EventLoopError", "HandoverError", "Key",
    "KeyDescription", "KeyExistsError", "KeyInUseError", "KeyNotPermittedError", "KeyRevokedError", "KeyRing",
    "KeyRingError", "KeyStateError", "MaterialUnavailableError", "Reencryption", "RevokedKey", "RingClosedError",
    "RotationRun", "RowCiphertext", "UnknownKeyError", "UnsupportedKeyError", "UsageLimitError",
    "VersionDestroyedError", "WrapperUnavailableError",
]  # fmt: skip
