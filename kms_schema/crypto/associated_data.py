"""What an envelope is bound to: the row's identity, its column, and this encoding's version. See docs/crypto.md.

The bytes are fields one after another, each with its length in four bytes, big endian, before it; so no two different
lists of fields have the same bytes.
"""

import uuid
from typing import NamedTuple

ENCODING = "kms-schema/envelope/v1"
"""The first field, and what `encryption_metadata` calls the encoding."""

BOUND_TO_KEY_VERSION = (
    "key_versions.id",
    "key_masters.id",
    "key_masters.key_id",
    "key_masters.key_type",
    "key_masters.algorithm",
    "key_versions.version_number",
)
"""What `encryption_metadata` says is bound, after encoding, table and column. The database lets none of it change."""


def fields(*values: bytes) -> bytes:
    """Return the values, each behind its length in four bytes."""
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)


class KeyIdentity(NamedTuple):
    """What a row of `key_masters` is, in the columns' own names.

    Key type and algorithm are in it so that a key is not put to another use than the one that it was made for.
    """

    id: uuid.UUID
    key_id: str
    key_type: str
    algorithm: str


def of_key_version(version_id: uuid.UUID, version_number: int, key: KeyIdentity) -> bytes:
    """Return what the material of a version is bound to."""
    texts = (text.encode() for text in (key.key_id, key.key_type, key.algorithm))
    number = version_number.to_bytes(4, "big")
    return _place("key_versions", "encrypted_key_data", version_id.bytes, key.id.bytes, *texts, number)


def of_hsm_configuration(configuration_id: uuid.UUID) -> bytes:
    """Return what the credentials of an HSM are bound to. Nothing else of that row never changes."""
    return _place("hsm_configurations", "authentication_config", configuration_id.bytes)


def _place(table: str, column: str, *identity: bytes) -> bytes:
    return fields(ENCODING.encode(), table.encode(), column.encode(), *identity)
