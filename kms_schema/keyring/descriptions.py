"""Keys, versions and ciphertexts as they are described to people, without material.

Lists have a page of rows in memory at a time.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from kms_schema.keyring.columns.host_columns import ColumnName
from kms_schema.keyring.errors import UnknownKeyError
from kms_schema.models import KeyMaster, KeyVersion
from kms_schema.models.keys import ANYWHERE
from kms_schema.text.storable import fault_of


@dataclass(frozen=True)
class KeyDescription:
    """A key after a change."""

    key_id: str
    key_type: str
    algorithm: str
    status: str
    version: int | None
    """The number of its live version; None without one."""
    next_step: str | None = None
    """The step that is missing before the key can be used, and the role for it; None if no step is missing."""


@dataclass(frozen=True)
class CiphertextDescription:
    """The version that made a ciphertext. Nothing is opened, so the ciphertext itself may be damaged."""

    key_id: str
    version: int
    tag: int
    status: str
    """The status of the key."""
    is_live: bool
    """True if the key encrypts with this version."""
    is_destroyed: bool


PAGE = 500
"""Rows that are read at once."""


@dataclass(frozen=True)
class ListedKey:
    """A key, with its live version if it has one."""

    key_id: str
    key_type: str
    algorithm: str
    key_size_bits: int
    status: str
    status_reason: str | None
    created_at: dt.datetime
    expires_at: dt.datetime | None
    max_usage_count: int | None
    live_version: int | None
    usage_count: int | None
    """Encryptions with the live version, as far as they are counted in the database."""
    data_volume_bytes: int | None


@dataclass(frozen=True)
class ListedVersion:
    """A version of a key."""

    version: int
    ciphertext_tag: int
    state: str
    """`waiting`, `live`, `ended` or `destroyed`."""
    usage_count: int
    data_volume_bytes: int
    created_at: dt.datetime
    activated_at: dt.datetime | None
    deactivated_at: dt.datetime | None
    destroyed_at: dt.datetime | None
    under: str | None
    """Its wrapper: `KEY_ID:VERSION`, or the reference of a root."""
    hsm_key_id: str | None = None
    """The handle of its object in an HSM, NAME/ID."""


_live = sa.and_(KeyVersion.key_id == KeyMaster.id, KeyVersion.is_live)
_KEYS = sa.select(
    KeyMaster.key_id, KeyMaster.key_type, KeyMaster.algorithm, KeyMaster.key_size_bits, KeyMaster.status,
    KeyMaster.status_reason, KeyMaster.created_at, KeyMaster.expires_at, KeyMaster.max_usage_count,
    KeyVersion.version_number, KeyVersion.usage_count, KeyVersion.data_volume_bytes,
).select_from(sa.outerjoin(KeyMaster, KeyVersion, _live))  # fmt: skip


def listed_keys(
    connection: sa.Connection, *, key_type: str | None = None, status: str | None = None, page: int = PAGE
) -> Iterator[ListedKey]:
    """Yield the keys of a database by their names, those of a type and a status if given.

    - `connection`: an open connection, whose option `schema_translate_map` names the schema
    - `key_type`, `status`: as in `kms_schema.vocabulary`
    - `page`: the number of rows that are read at once; each page is a statement of its own

    Raises nothing of its own. Example::

        for key in listed_keys(connection, status="active"):
            print(key.key_id, key.live_version)
    """
    query = _KEYS.order_by(KeyMaster.key_id).limit(page)
    if key_type is not None:
        query = query.where(KeyMaster.key_type == key_type)
    if status is not None:
        query = query.where(KeyMaster.status == status)
    for row in _paged(connection, query, KeyMaster.key_id, page):
        yield ListedKey(*tuple(row))


def listed_key(connection: sa.Connection, key_id: str) -> ListedKey:
    """Return the key with this name. Raises `UnknownKeyError`."""
    query = _KEYS.where(KeyMaster.key_id == key_id)
    row = connection.execute(query).one_or_none() if fault_of(key_id) is None else None
    if row is None:
        raise UnknownKeyError(f"there is no key named {key_id!r}", key_id=key_id)
    return ListedKey(*tuple(row))


def stored_columns(connection: sa.Connection, key_id: str) -> list[str]:
    """Return the places of ciphertexts that are stored with a key: names of columns, `*` for anywhere else."""
    query = sa.select(KeyMaster.encrypted_columns).where(KeyMaster.key_id == key_id)
    stored = connection.execute(query).scalar_one_or_none() or ()
    names = [ColumnName(each["table"], each["column"], each.get("schema")) for each in stored]
    return [ANYWHERE if name.is_elsewhere else str(name) for name in names]


def listed_versions(connection: sa.Connection, key_id: str, *, page: int = PAGE) -> Iterator[ListedVersion]:
    """Yield the versions of a key, the first one first. A login that only uses keys sees no destroyed ones.

    - `connection`, `page`: as for `listed_keys`. `key_id`: the name of the key

    Raises nothing of its own. Example::

        for version in listed_versions(connection, "orders"):
            print(version.version, version.state)
    """
    wrapping, wrapping_key = aliased(KeyVersion), aliased(KeyMaster)
    query = (
        sa.select(KeyVersion.version_number, KeyVersion.ciphertext_tag, KeyVersion.usage_count,
                  KeyVersion.data_volume_bytes, KeyVersion.created_at, KeyVersion.activated_at,
                  KeyVersion.deactivated_at, KeyVersion.destroyed_at, KeyVersion.state, KeyVersion.wrapping_key_ref,
                  KeyVersion.hsm_key_id,
                  wrapping_key.key_id.label("wrapper"), wrapping.version_number.label("wrapper_version"))
        .join(KeyMaster, KeyMaster.id == KeyVersion.key_id)
        .outerjoin(wrapping, wrapping.id == KeyVersion.wrapped_by_version_id)
        .outerjoin(wrapping_key, wrapping_key.id == wrapping.key_id)
        .where(KeyMaster.key_id == key_id)
        .order_by(KeyVersion.version_number)
        .limit(page)
    )  # fmt: skip
    for row in _paged(connection, query, KeyVersion.version_number, page):
        wrapper = row.wrapping_key_ref if row.wrapper is None else f"{row.wrapper}:{row.wrapper_version}"
        yield ListedVersion(
            row.version_number, row.ciphertext_tag, row.state, row.usage_count, row.data_volume_bytes,
            row.created_at, row.activated_at, row.deactivated_at, row.destroyed_at, wrapper, row.hsm_key_id,
        )  # fmt: skip


def _paged(connection: sa.Connection, query: Any, column: Any, page: int) -> Iterator[Any]:
    """Yield the rows of a query that has a limit and the order of a column, a page at a time."""
    rows = connection.execute(query).all()
    while rows:
        yield from rows
        last = getattr(rows[-1], column.key)
        rows = connection.execute(query.where(column > last)).all() if len(rows) == page else []
