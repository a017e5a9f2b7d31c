"""Errors of tokens. Each says what to do; none contains a PIN, a key, or the text of a URI."""

from typing import Literal

from kms_schema.crypto.errors import CryptoError


class Pkcs11Error(CryptoError):
    """The base class: there is no such token, or it does not do as it was asked.

    `ambiguous_token`, `ambiguous_object`: several have the attributes of the URI.
    """

    reason: Literal["ambiguous_token", "ambiguous_object", "module", "object", "pin_refused"] | None


class TokenUriError(Pkcs11Error, ValueError):
    """A `pkcs11:` URI cannot be used: an attribute is missing, unknown, given twice or contains a PIN."""


class TokenNotFoundError(Pkcs11Error):
    """No slot has a token with the attributes of the URI, or the token has no such object, as far as this login sees.

    - `object`: the token is there, and has no such object
    - `module`: the module cannot be loaded or initialized
    """


class PinError(Pkcs11Error):
    """The PIN cannot be read (its source is missing, has no PIN, or others can read it), or is refused (`pin_refused`).

    A PIN that the token refused, or that it reports as refused before, is not sent again, so as not to lock the token.
    """


class TokenLostError(Pkcs11Error):
    """The token does not answer, or is gone. The next call opens it again."""


class TokenRefusedError(Pkcs11Error):
    """The token refused an operation: it lacks a mechanism, or the object does not permit it."""
