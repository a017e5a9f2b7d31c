"""Keys that applications use. `formats` has the bytes of ciphertexts: see docs/ciphertexts.md."""

from kms_schema.keyring.descriptions import CiphertextDescription, KeyDescription
from kms_schema.keyring.errors import (
    CiphertextTagError,
    DatabaseUnavailableError,
    DecryptionError,
    DependentsLeftError,
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
    PolicyDisabledError,
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
from kms_schema.keyring.rotation_runs import RotationRun

__all__ = [
    "CachePolicy", "CiphertextDescription", "CiphertextTagError", "DatabaseUnavailableError", "DecryptionError",
    "DependentsLeftError", "Key", "KeyArchivedError", "KeyDescription", "KeyExistsError", "KeyExpiredError",
    "KeyNotPermittedError", "KeyPendingError", "KeyRevokedError", "KeyRing", "KeyRingError", "KeyRotatedError",
    "MaterialUnavailableError", "NoLiveVersionError", "PolicyDisabledError", "RingClosedError", "RotationRun",
    "StatusChangeError", "UnknownCiphertextError", "UnknownKeyError", "UnsupportedKeyError", "UsageLimitError",
    "VersionDestroyedError", "WrapperUnavailableError",
]  # fmt: skip
