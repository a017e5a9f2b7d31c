"""Errors of tokens. Each has one reason and says what to do; none contains a PIN, a key, or the text of a URI."""

from kms_schema.crypto.errors import CryptoError


class Pkcs11Error(CryptoError):
    """The base class: a token was not found, or does not do what it was asked."""


class TokenUriError(Pkcs11Error, ValueError):
    """A `pkcs11:` URI cannot be used: an attribute is missing, unknown, given twice or contains a PIN."""


class ModuleError(Pkcs11Error):
    """A PKCS#11 module cannot be loaded or initialized."""


class TokenNotFoundError(Pkcs11Error):
    """No slot of the module has a token with the attributes of the URI."""


class AmbiguousTokenError(Pkcs11Error):
    """Several tokens have the attributes of the URI: their serial numbers differ."""


class PinError(Pkcs11Error):
    """The PIN cannot be read: its source is not given or missing, has no PIN, or others can read it."""


class PinRefusedError(Pkcs11Error):
    """The token refused the PIN, or reports that a PIN was refused before: it is not sent again, so as not to lock."""


class TokenLostError(Pkcs11Error):
    """The token does not answer, or is gone. The next call opens it again."""


class ObjectNotFoundError(Pkcs11Error):
    """The token has no object with the attributes of the URI, as far as this login sees."""


class AmbiguousObjectError(Pkcs11Error):
    """Several objects of the token have the attributes of the URI."""


class TokenRefusedError(Pkcs11Error):
    """The token refused an operation: it lacks a mechanism, or the object does not permit it."""
