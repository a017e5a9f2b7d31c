"""Key check values: which key this is, without giving anything of it away.

HMAC-SHA-256 under the key itself, over a label, the key's name and the version's number. A check value made by
encrypting zeros tells equal keys from their values, and part of the first block; this one differs with each version.
What it tells whoever guesses is whether a guess is right: a key of less than 112 bits can be found by trying.
"""

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from kms_schema.crypto.associated_data import fields
from kms_schema.crypto.secret import BytesLike

LABEL = b"kms-schema/key-check-value/v1"


def key_check_value(material: BytesLike, key_id: str, version_number: int) -> str:
    """Return `key_versions.key_checksum` of a key: 64 lower-case hexadecimal digits. `key_id` is the key's name.

    A key encryption key derives other keys by HMAC, too. What is hashed here begins with the length of the label; there
    it begins with the counter 1: no check value is ever a key.
    """
    computed = HMAC(material, SHA256())
    computed.update(fields(LABEL, key_id.encode(), version_number.to_bytes(4, "big")))
    return computed.finalize().hex()


def has_check_value(material: BytesLike, key_id: str, version_number: int, expected: str) -> bool:
    """Whether the key has this check value, compared in constant time."""
    computed = key_check_value(material, key_id, version_number)
    return hmac.compare_digest(computed.encode(), expected.encode())
