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

from kms_schema.crypto.associated_data import (
    BOUND_TO_KEY_VERSION,
    ENCODING,
    KeyIdentity,
    of_hsm_configuration,
    of_key_version,
)
from kms_schema.crypto.ciphers import KEY_DERIVATION
from kms_schema.crypto.errors import OpeningRefusedError
from kms_schema.envelope_format import EnvelopeFormat, NotAnEnvelopeError, format_of
from kms_schema.models import HsmConfiguration, KeyMaster, KeyVersion


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


class NewVersion(NamedTuple):
    """The identity of a version that does not exist yet: its id, and the associated data of its envelope."""

    id: uuid.UUID
    place: bytes


def new_version(key: KeyMaster, version_number: int) -> NewVersion:
    """Return the identity of a new version. A key without an id gets one."""
    key.id = key.id or time_ordered_id()
    version_id = time_ordered_id()
    return NewVersion(version_id, _place(version_id, version_number, key))


def of_version(version: KeyVersion | StoredVersion) -> bytes:
    """Return the associated data of a version's envelope."""
    return _place(version.id, version.version_number, version.key)


def of_configuration(configuration: HsmConfiguration) -> bytes:
    """Return the associated data of an HSM's credentials. A configuration without an id gets one."""
    configuration.id = configuration.id or time_ordered_id()
    return of_hsm_configuration(configuration.id)


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
    try:
        form = format_of(envelope)
    except NotAnEnvelopeError as error:
        raise OpeningRefusedError(str(error)) from None
    if (given or {}).get("format") != int(form):
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


def _place(version_id: uuid.UUID, version_number: int, key: KeyMaster | StoredKey) -> bytes:
    identity = KeyIdentity(key.id, key.key_id, str(key.key_type), key.algorithm)
    return of_key_version(version_id, version_number, identity)
