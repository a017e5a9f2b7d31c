"""A ring as its columns call it, and the column that a caller has chosen to re-encrypt.

A result of `AsyncSession` or `AsyncConnection` has its rows already, and converts values when the application takes
them, outside of the greenlet, where nothing can be awaited. So the keys are opened once the statement was executed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, NamedTuple

import sqlalchemy as sa

from kms_schema.crypto.secret import BytesLike
from kms_schema.keyring.columns.encrypted_column import place_of
from kms_schema.keyring.columns.host_columns import ColumnName
from kms_schema.keyring.columns.places import NO_BYTES, Place
from kms_schema.keyring.formats.errors import NotACiphertextError
from kms_schema.keyring.formats.prefix import PREFIX_BYTES, read_prefix
from kms_schema.keyring.parts import RingParts
from kms_schema.keyring.use.revoked_keys import RevokedKey
from kms_schema.keyring.waiting.waits import EventLoops


class RingColumns:
    """Encrypts and decrypts the values of columns with a ring. `KeyRing.attach` gives it to a metadata."""

    def __init__(self, parts: RingParts) -> None:
        """Use the parts of a ring."""
        self._parts = parts
        self.awaits: bool = isinstance(parts.waits, EventLoops)

    def encrypt(self, place: Place, data: BytesLike, aad: bytes) -> bytes:
        """Return the ciphertext of a value, once the column is stored with the key."""
        self._parts.check_open()
        self._parts.declarations.declare(place.key_id, _name_of(place))
        return self._parts.encrypt(place.key_id, data, aad)

    def decrypt(self, place: Place, blob: BytesLike, aad: bytes) -> bytes:
        """Return the bytes of a value."""
        return self._parts.decrypt(place.key_id, blob, aad)[0]

    def open_prefixes(self, key_id: str, prefixes: set[bytes]) -> None:
        """Open the versions of ciphertexts, by their first bytes: those of results are used outside of greenlets."""
        self._parts.check_open()
        versions = self._parts.versions
        versions.uses.write_postponed()
        for prefix in prefixes:
            try:
                _, tag = read_prefix(prefix)
            except NotACiphertextError:
                continue  # the error of the value says so
            versions.open_for_decrypting(key_id, tag)


@dataclass(frozen=True)
class ColumnCiphers:
    """Opens with one key, which may be revoked, and encrypts with another or the same one."""

    parts: RingParts
    opening: str
    making: str
    revoked: RevokedKey | None

    def decrypt(self, blob: bytes, *, aad: bytes) -> bytes:
        """Return the plaintext. Raises `DecryptionError`."""
        if self.revoked is not None:
            return self.revoked.decrypt(blob, aad=aad)
        return self.parts.decrypt(self.opening, blob, aad)[0]

    def encrypt(self, data: bytes, *, aad: bytes) -> bytes:
        """Return a ciphertext under the live version."""
        return self.parts.encrypt(self.making, data, aad)


class ChosenColumn(NamedTuple):
    """A column, its key, and what its values are bound to."""

    name: ColumnName
    key_id: str
    row: Mapping[str, sa.types.TypeEngine[Any] | None]
    bound_as: tuple[str, str]


def chosen_column(
    column: Any, key_id: str | None, row: Sequence[str] | Mapping[str, Any], bound_as: tuple[str, str] | None
) -> ChosenColumn:
    """Return the column that a caller of `KeyRing.reencrypt_column` names; its type has the omitted values.

    Raises `TypeError` for what is no encrypted column, or has no key, and `ValueError` for a wrong name.
    """
    place = place_of(column)
    if place is not None:
        name = _name_of(place)
        key_id, bound_as = key_id or place.key_id, bound_as or place.names
        row = row or {each: place.table.c[each].type for each in place.row}
    elif isinstance(column, str):
        name = ColumnName.parse(column)
    else:
        raise TypeError("give a column whose type is an EncryptedColumn, or the text 'table.column'")
    if key_id is None:
        raise TypeError("name the key")
    types = row if isinstance(row, Mapping) else dict.fromkeys(row)
    return ChosenColumn(name, key_id, types, bound_as or (name.table, name.column))


def _name_of(place: Place) -> ColumnName:
    column = place.column
    return ColumnName(place.table.name, "" if column is None else column.name, place.table.schema)


def _executed(
    connection: sa.Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
) -> None:
    if not connection.dialect.is_async or context.compiled is None:
        return
    columns = enumerate(getattr(context.compiled, "_result_columns", None) or ())  # DDL has none
    places = [(index, place) for index, each in columns if (place := getattr(each.type, "place", None)) is not None]
    rows = getattr(cursor, "_rows", ())  # cursors that stream have none: their rows are fetched in greenlets
    for index, place in places if rows else ():
        if isinstance(place, Place) and place.ring.awaits:
            found = (row[index] for row in rows if not isinstance(row[index], (NoneType, *NO_BYTES)))
            prefixes = {bytes(each[:PREFIX_BYTES]) for each in found}
            place.ring.open_prefixes(place.key_id, prefixes)


@cache
def listen_for_results() -> None:
    """Open the keys of results over asynchronous drivers: listen to all engines, once."""
    sa.event.listen(sa.Engine, "after_cursor_execute", _executed)
