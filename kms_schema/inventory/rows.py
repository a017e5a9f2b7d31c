"""The rows that an inventory reads from the database."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.errors import KmsSchemaError


class InventoryError(KmsSchemaError):
    """An inventory that cannot be written, with what to do."""


class Key(NamedTuple):
    """A key. Times are texts in UTC, as `2026-11-28T12:00:00.000000Z`."""

    id: str
    key_id: str
    key_type: str
    algorithm: str
    key_size_bits: int
    status: str
    status_reason: str | None
    created_at: str
    activated_at: str | None
    expires_at: str | None
    revoked_at: str | None
    parent_key_id: str | None
    max_usage_count: int | None
    hsm_provider: str | None
    security_level: str
    encrypted_columns: str | None

    @property
    def columns(self) -> list[str]:
        """The columns of applications that hold ciphertexts of the key; `*` for ciphertexts elsewhere."""
        named = json.loads(self.encrypted_columns or "[]")
        return sorted({_named(each) for each in named})


class Version(NamedTuple):
    """A version of a key."""

    id: str
    number: int
    created_at: str
    activated_at: str | None
    deactivated_at: str | None
    destroyed_at: str | None
    usage_count: int
    data_volume_bytes: int
    wrapped_by: str | None
    """The id of the version that wraps it."""
    wrapping_key_ref: str | None
    handle: str | None
    """The handle of its object in an HSM."""
    wrapping_algorithm: str | None


class Hsm(NamedTuple):
    """An HSM configuration, without its credentials."""

    id: str
    name: str
    provider: str
    endpoint_url: str | None
    is_active: bool
    health_status: str | None
    last_health_check: str | None
    require_dual_auth: bool
    max_key_size_bits: int | None
    supported_algorithms: str | None
    created_at: str
    wrapping_key_ref: str | None


class Wrapper(NamedTuple):
    """A version of a KEK that can wrap others."""

    key_id: str
    number: int
    algorithm: str
    key_size_bits: int
    wrapped_by: str | None
    wrapping_key_ref: str | None


@dataclass(frozen=True)
class Head:
    """The snapshot that a document describes."""

    generated_at: str
    """The time of the database."""
    checkpoint: Checkpoint | None
    """The value of the last seal in the snapshot; None if nothing is sealed."""
    seal_number: int | None
    sealed_at: str | None
    seals_signed: bool
    names: bool
    """False if the document leaves the names of keys, roots, HSMs and columns out."""
    recorded: bool
    """True if the audit log gets an entry about the document."""


def _named(column: dict[str, Any]) -> str:
    if column["column"] == "*":
        return "*"
    return ".".join(column[part] for part in ("schema", "table", "column") if part in column)
