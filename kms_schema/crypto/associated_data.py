"""The associated data of an envelope: the version of this encoding, the column, and the row's identity.

The bytes are the fields in order, each after its length in four bytes, big-endian, so that different lists of fields
have different bytes. The page "crypto" of the documentation describes them.
"""

import uuid
from typing import NamedTuple

ENCODING = "kms-schema/envelope/v1"
"""The first field, and the name of the encoding in `encryption_metadata`."""

BOUND_TO_KEY_VERSION = (
    "key_versions.id",
    "key_masters.id",
    "key_masters.key_id",
    "key_masters.key_type",
    "key_masters.algorithm",
    "key_versions.version_number",
)
"""The fields after encoding, table and column, as `encryption_metadata` lists them. The database refuses changes."""


def fields(*values: bytes) -> bytes:
    """Return the values, each after its length in four bytes."""
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)


class KeyIdentity(NamedTuple):
    """The identity of a row of `key_masters`, by its column names.

    It includes key type and algorithm, so that a key cannot be used for another purpose than its own.
    """

    id: uuid.UUID
    key_id: str
    key_type: str
    algorithm: str


def of_key_version(version_id: uuid.UUID, version_number: int, key: KeyIdentity) -> bytes:
    """Return the associated data of the material of version `version_id`, number `version_number`, of `key`."""
    texts = (text.encode() for text in (key.key_id, key.key_type, key.algorithm))
    number = version_number.to_bytes(4, "big")
    place = ENCODING.encode(), b"key_versions", b"encrypted_key_data"
    return fields(*place, version_id.bytes, key.id.bytes, *texts, number)


def of_hsm_configuration(configuration_id: uuid.UUID) -> bytes:
    """Return the associated data of an HSM's credentials: the id, the only column that never changes."""
    return fields(ENCODING.encode(), b"hsm_configurations", b"authentication_config", configuration_id.bytes)
