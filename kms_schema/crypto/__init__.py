"""Envelope encryption of key material and of HSM credentials. See the page "crypto" of the documentation.

The names below are imported on first use; `kms_schema.models` and the validator use none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kms_schema.crypto.ciphers import has_check_value, key_check_value
    from kms_schema.crypto.destroying import destroy, destroyable
    from kms_schema.crypto.errors import (
        CryptoError,
        DependentsError,
        MaterialError,
        NoMaterialError,
        OpeningRefusedError,
        RootKeyError,
        RootUnavailableError,
        WrappingKeyError,
    )
    from kms_schema.crypto.key_wrapping import KeyWrapping, Wrapper
    from kms_schema.crypto.rewrapping import plan, rewrap
    from kms_schema.crypto.root_keys import RootKeys
    from kms_schema.crypto.roots import Root, SecretRoot
    from kms_schema.crypto.secret import Credentials, Secret
    from kms_schema.envelope_format import EnvelopeFormat, NotAnEnvelopeError

_NAMES = {
    "kms_schema.crypto.ciphers": ("has_check_value", "key_check_value"),
    "kms_schema.crypto.destroying": ("destroy", "destroyable"),
    "kms_schema.crypto.errors": (
        "CryptoError", "DependentsError", "MaterialError", "NoMaterialError", "OpeningRefusedError", "RootKeyError",
        "RootUnavailableError", "WrappingKeyError",
    ),
    "kms_schema.crypto.key_wrapping": ("KeyWrapping", "Wrapper"),
    "kms_schema.crypto.rewrapping": ("plan", "rewrap"),
    "kms_schema.crypto.root_keys": ("RootKeys",),
    "kms_schema.crypto.roots": ("Root", "SecretRoot"),
    "kms_schema.crypto.secret": ("Credentials", "Secret"),
    "kms_schema.envelope_format": ("EnvelopeFormat", "NotAnEnvelopeError"),
}  # fmt: skip
_WHERE = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Credentials", "CryptoError", "DependentsError", "EnvelopeFormat", "KeyWrapping", "MaterialError",
    "NoMaterialError", "NotAnEnvelopeError", "OpeningRefusedError", "Root", "RootKeyError", "RootKeys",
    "RootUnavailableError", "Secret", "SecretRoot", "Wrapper", "WrappingKeyError", "destroy", "destroyable",
    "has_check_value", "key_check_value", "plan", "rewrap",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name on first use."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
