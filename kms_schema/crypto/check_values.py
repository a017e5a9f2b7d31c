"""Key check values: they identify a key without revealing it.

A check value is HMAC-SHA-256 under the key itself, over a label, the key's name and the version's number. Encrypted
zeros, the usual check value, reveal equal keys and part of a cipher block; this value differs for each version. It
confirms a correct guess, so a key of less than 112 bits can be found by trying all of them.
"""

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from kms_schema.crypto.associated_data import fields
from kms_schema.crypto.secret import BytesLike

LABEL = b"kms-schema/key-check-value/v1"


def key_check_value(material: BytesLike, key_id: str, version_number: int) -> str:
    """Return the `key_versions.key_checksum` of a key: 64 lower-case hexadecimal digits.

    material: the key. key_id: the name of the key, `key_masters.key_id`. version_number: from 1 to 2^31 - 1;
    beyond 32 bits this raises `OverflowError`.

    A key encryption key also derives keys by HMAC. Those inputs begin with the counter 1, this one with the length of
    the label, so no check value is a derived key. Example::

        assert key_check_value(material.view, key.key_id, version.version_number) == version.key_checksum
    """
    computed = HMAC(material, SHA256())
    computed.update(fields(LABEL, key_id.encode(), version_number.to_bytes(4, "big")))
    return computed.finalize().hex()


def has_check_value(material: BytesLike, key_id: str, version_number: int, expected: str) -> bool:
    """Return whether a key has the check value `expected`, compared in constant time.

    material, key_id, version_number: as for `key_check_value`, which also says what this raises. expected: a check
    value in hexadecimal; any other text is not equal.
    """
    computed = key_check_value(material, key_id, version_number)
    return hmac.compare_digest(computed.encode(), expected.encode())
