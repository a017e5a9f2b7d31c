"""Errors. No message quotes material, a key, a credential, or bytes that may be one of them."""

from typing import Literal

from kms_schema.errors import KmsSchemaError


class CryptoError(KmsSchemaError):
    """The base class of the errors of `kms_schema.crypto` and of ciphertexts."""


class OpeningRefusedError(CryptoError):
    """An envelope does not open: it was changed, moved to another row, or made under another key.

    `check_value`: it opens, but its key does not have the check value of the row.
    """

    reason: Literal["check_value"] | None
    without_advice: str | None = None
    """The message without its advice, if it has some."""


class NoMaterialError(CryptoError):
    """The row has no envelope: its key is held in an HSM, the version is destroyed, or no credentials are stored."""


class WrappingKeyError(CryptoError):
    """A key cannot wrap, or cannot be the source or target of a rewrap.

    The key is not given, is no AES-256 key encryption key, is destroyed or not in use, or the other key wraps it.
    """


class RootUnavailableError(CryptoError):
    """A root key cannot be used now: its token, service or permission is missing. Try again, or restore it."""


class DependentsError(CryptoError):
    """A version cannot be destroyed: it is live, destroyed already, or still has dependents."""


class MaterialError(CryptoError, ValueError):
    """Material cannot be stored for a key: it has another length, or is empty."""


class RootKeyError(CryptoError, ValueError):
    """A root key cannot be used: missing, not a key, accessible to others, or its URI has no provider."""
