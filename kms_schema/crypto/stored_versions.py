"""A version as one statement reads it, with what wraps it: plain values, for those that open it and change no row."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa


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
