"""Tokens of PKCS#11: URIs (RFC 7512), PINs, sessions. Needs the extra `kms-schema[pkcs11]`.

See the page "roots" of the documentation.
"""

from kms_schema.pkcs11.errors import (
    PinError,
    Pkcs11Error,
    TokenLostError,
    TokenNotFoundError,
    TokenRefusedError,
    TokenUriError,
)
from kms_schema.pkcs11.uri import Pkcs11Uri

__all__ = [
    "PinError", "Pkcs11Error", "Pkcs11Uri", "TokenLostError", "TokenNotFoundError", "TokenRefusedError",
    "TokenUriError",
]  # fmt: skip
