"""The identity that an envelope is bound to, and the metadata of a version's envelope.

A version is a row of the models, or plain values as one statement reads them with what wraps it, for those that open it
and change no row.
"""

import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from kms_schema.crypto.ciphers import KEY_DERIVATION, form_of
from kms_schema.crypto.errors import OpeningRefusedError
from kms_schema.envelope_format import BOUND_TO_KEY_VERSION, ENCODING, EnvelopeFormat, fields
from kms_schema.models import HsmConfiguration, KeyMaster


class StoredKey(NamedTuple):
    """The key of a version, by the columns of `key_masters`."""

    id: uuid.UUID
    key_id: str
    key_type: str
    algorithm: str
    key_size_bits: int


@dataclass(eq=False, slots=True)
class StoredVersion:
    """A version, by the columns of `key_versions`; `KeyWrapping.unwrap` opens it as it opens a `KeyVersion`."""

    id: uuid.UUID
    version_number: int
    key: StoredKey
    encrypted_key_data: bytes | None
    encryption_metadata: Mapping[str, Any] | None
    key_checksum: str | None
    wrapping_key_ref: str | None
    is_destroyed: bool
    wrapped_by: "StoredVersion | None" = None


def version_of(rows: Sequence[sa.Row[Any]], version: uuid.UUID) -> StoredVersion | None:
    """Return a version from the rows of itself and of all that wraps it; None if it is not among them."""
    found = {}
    for row in rows:
        key = StoredKey(row.master_id, row.key_id, row.key_type, row.algorithm, row.key_size_bits)
        found[row.id] = StoredVersion(
            row.id, row.version_number, key, row.encrypted_key_data, row.encryption_metadata, row.key_checksum,
            row.wrapping_key_ref, bool(row.is_destroyed),
        )  # fmt: skip
    for row in rows:
        found[row.id].wrapped_by = found.get(row.wrapped_by_version_id)
    return found.get(version)


def of_key_version(version_id: uuid.UUID, version_number: int, key: KeyMaster | StoredKey) -> bytes:
    """Return the associated data of the material of version `version_id`, number `version_number`, of `key`.

    It includes key type and algorithm, so that a key cannot be used for another purpose than its own.
    """
    texts = (text.encode() for text in (key.key_id, key.key_type, key.algorithm))
    number = version_number.to_bytes(4, "big")
    place = ENCODING.encode(), b"key_versions", b"encrypted_key_data"
    return fields(*place, version_id.bytes, key.id.bytes, *texts, number)


def of_configuration(configuration: HsmConfiguration) -> bytes:
    """Return the associated data of an HSM's credentials: the id, the only column that never changes.

    A configuration without an id gets one.
    """
    configuration.id = configuration.id or time_ordered_id()
    return fields(ENCODING.encode(), b"hsm_configurations", b"authentication_config", configuration.id.bytes)


def metadata(form: EnvelopeFormat) -> dict[str, Any]:
    """Return `encryption_metadata` of a version, for people and other programs. It has no secrets."""
    return {
        "format": int(form),
        "algorithm": form.algorithm,
        "key_derivation": KEY_DERIVATION,
        "associated_data": {"encoding": ENCODING, "fields": ["table", "column", *BOUND_TO_KEY_VERSION]},
    }


def check_metadata(envelope: bytes, given: Mapping[str, Any] | None) -> None:
    """Raise `OpeningRefusedError` if another program made the envelope.

    It would not open in any case; this check gives the better message.
    """
    if (given or {}).get("format") != int(form_of(envelope)):
        raise OpeningRefusedError("encryption_metadata does not name the format of the envelope")
    bound = (given or {}).get("associated_data")
    if not isinstance(bound, Mapping) or bound.get("encoding") != ENCODING:
        raise OpeningRefusedError(f"encryption_metadata does not name {ENCODING}: another program made this envelope")


def time_ordered_id() -> uuid.UUID:
    """Return a UUID of version 7 (RFC 9562), as the database makes them, so that new rows are next to each other."""
    milliseconds = time.time_ns() // 1_000_000
    number = milliseconds << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 7 << 76
    return uuid.UUID(int=number & ~(0b11 << 62) | 0b10 << 62)
