"""Errors. No message quotes material, a key, a credential, or bytes that may be one of them."""

from kms_schema.errors import KmsSchemaError


class CryptoError(KmsSchemaError):
    """The base class of the errors of `kms_schema.crypto` and of ciphertexts."""


class OpeningRefusedError(CryptoError):
    """An envelope does not open: it was changed, moved to another row, or made under another key."""

    reason: str | None = None
    """The message without its advice, if it has some."""


class CheckValueError(OpeningRefusedError):
    """An envelope opens, but its key does not have the check value of the row."""


class NoMaterialError(CryptoError):
    """The row has no envelope: its key is held in an HSM, the version is destroyed, or no credentials are stored."""


class WrappingKeyError(CryptoError):
    """A key cannot wrap: it is not given, it is not an AES-256 key encryption key, or it is destroyed."""


class RootUnavailableError(CryptoError):
    """A root key cannot be used now: its token, service or permission is missing. Try again, or restore it."""


class WrapperError(CryptoError):
    """A wrapper cannot be the source or target of a rewrap: unknown, destroyed, not in use, or under the other one."""


class DependentsError(CryptoError):
    """A version cannot be destroyed: it is live, destroyed already, or still has dependents."""


class MaterialError(CryptoError, ValueError):
    """Material cannot be stored for a key: it has another length, or is empty."""


class RootKeyError(CryptoError, ValueError):
    """A root key cannot be used: missing, not a key, accessible to others, or its URI has no provider."""
