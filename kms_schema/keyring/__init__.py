"""Keys that applications use. `formats` has the bytes of ciphertexts: see docs/ciphertexts.md."""

from kms_schema.keyring.async_ring import AsyncKey, AsyncKeyRing
from kms_schema.keyring.descriptions import CiphertextDescription, KeyDescription
from kms_schema.keyring.errors import (
    CiphertextTagError,
    DatabaseUnavailableError,
    DecryptionError,
    EventLoopError,
    KeyArchivedError,
    KeyExistsError,
    KeyExpiredError,
    KeyNotPermittedError,
    KeyPendingError,
    KeyRevokedError,
    KeyRingError,
    KeyRotatedError,
    MaterialUnavailableError,
    NoLiveVersionError,
    RingClosedError,
    StatusChangeError,
    UnknownCiphertextError,
    UnknownKeyError,
    UnsupportedKeyError,
    UsageLimitError,
    VersionDestroyedError,
    WrapperUnavailableError,
)
from kms_schema.keyring.policy import CachePolicy
from kms_schema.keyring.ring import Key, KeyRing

__all__ = [
    "AsyncKey", "AsyncKeyRing", "CachePolicy", "CiphertextDescription", "CiphertextTagError",
    "DatabaseUnavailableError", "DecryptionError", "EventLoopError", "Key", "KeyArchivedError", "KeyDescription",
    "KeyExistsError", "KeyExpiredError", "KeyNotPermittedError", "KeyPendingError", "KeyRevokedError", "KeyRing",
    "KeyRingError", "KeyRotatedError", "MaterialUnavailableError", "NoLiveVersionError", "RingClosedError",
    "StatusChangeError", "UnknownCiphertextError", "UnknownKeyError", "UnsupportedKeyError", "UsageLimitError",
    "VersionDestroyedError", "WrapperUnavailableError",
]  # fmt: skip
