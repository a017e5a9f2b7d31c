"""The places of encrypted columns: table, column, key and ring, and the bytes of their values."""

import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

import sqlalchemy as sa

from kms_schema.crypto.secret import BytesLike
from kms_schema.keyring.errors import ColumnError
from kms_schema.keyring.formats.bound_data import bound_data


class ColumnRing(Protocol):
    """The methods of a ring that a column calls."""

    @property
    def awaits(self) -> bool:
        """True for a ring of an event loop."""

    def encrypt(self, place: "Place", data: BytesLike, aad: bytes) -> bytes:
        """Return the ciphertext of a value."""

    def decrypt(self, place: "Place", blob: BytesLike, aad: bytes) -> bytes:
        """Return the bytes of a value."""

    def open_prefixes(self, key_id: str, prefixes: set[bytes]) -> None:
        """Open the versions of ciphertexts, by their first bytes."""


RINGS: "weakref.WeakKeyDictionary[sa.MetaData, ColumnRing]" = weakref.WeakKeyDictionary()
"""The ring of each metadata, which `attach` gave it."""

NO_BYTES = (str, int, float)
"""The types of values of SQLite that are no ciphertexts."""


class Place:
    """The column that a type belongs to, and how its values are encrypted. Types of SQLAlchemy are copied; this is not.

    A statement that SQLAlchemy has compiled is used again only for the same place.
    """

    def __init__(
        self, key_id: str, row: tuple[str, ...], value_type: type[Any], bound_as: tuple[str, str] | None
    ) -> None:
        """Begin without a column."""
        self.key_id = key_id
        self.row = row
        self.value_type = value_type
        self.bound_as = bound_as
        self.column: sa.Column[Any] | None = None

    def again(self) -> "Place":
        """Return a place for another column."""
        return Place(self.key_id, self.row, self.value_type, self.bound_as)

    @property
    def name(self) -> str:
        """Table and column, for messages."""
        table = getattr(self.column, "table", None)
        return f"{'?' if table is None else table.fullname}.{'?' if self.column is None else self.column.name}"

    @property
    def table(self) -> sa.Table:
        """The table. Raises `ColumnError` (`not_attached`) while the column has none."""
        table = getattr(self.column, "table", None)
        if not isinstance(table, sa.Table):
            raise ColumnError(
                f"an EncryptedColumn of key {self.key_id!r} is not the type of a table's column",
                key_id=self.key_id,
                reason="not_attached",
            )
        return table

    @property
    def ring(self) -> ColumnRing:
        """The ring. Raises `ColumnError` (`not_attached`) where none was attached."""
        ring = RINGS.get(self.table.metadata)
        if ring is None:
            raise ColumnError(
                f"column {self.name} has no key ring: call ring.attach(metadata) with the metadata of its table",
                key_id=self.key_id,
                reason="not_attached",
            )
        return ring

    @property
    def names(self) -> tuple[str, str]:
        """The names of table and column that values are bound to."""
        return self.bound_as or (self.table.name, "" if self.column is None else self.column.name)

    def aad(self, row: Mapping[str, object] | None = None) -> bytes:
        """Return the associated data of a value."""
        return bound_data(*self.names, row)

    def encoded(self, value: object) -> bytes:
        """Return the bytes of a value. Raises `ColumnError` (`value`), which does not show it."""
        if not isinstance(value, self.value_type):
            raise self._error(f"takes {self.value_type.__name__}, not {type(value).__name__}")
        if isinstance(value, str):
            with suppress(UnicodeEncodeError):  # its message quotes the text
                return value.encode()
            raise self._error("was given a text with a surrogate, which UTF-8 cannot encode")
        return bytes(value)

    def decoded(self, data: bytes) -> Any:
        """Return the value with these bytes."""
        if self.value_type is bytes:
            return data
        with suppress(UnicodeDecodeError):
            return data.decode()
        raise self._error("holds bytes that are no text in UTF-8: was it written as another type?")

    def no_ciphertext(self, value: object) -> ColumnError:
        """Return the error of a value that is read and cannot be a ciphertext. It does not show the value."""
        return self._error(
            f"returned a value of type {type(value).__name__}, which is no ciphertext: it is plaintext that the column"
            " has, or an expression that a statement has put in its place"
        )

    def _error(self, sentence: str) -> ColumnError:
        return ColumnError(f"column {self.name} {sentence}", key_id=self.key_id, reason="value")
