"""A column type of SQLAlchemy that encrypts what is written and decrypts what is read, with a key of a ring.

A value is bound to its table and column, so a ciphertext that is copied into another column does not open there.
Nothing is written that is not encrypted: a column without a ring, and a value that the type cannot bind, are refused.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import sqlalchemy as sa
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeEngine

from kms_schema.keyring.columns.places import NO_BYTES, Place
from kms_schema.keyring.errors import ColumnError
from kms_schema.keyring.formats.errors import BoundValueError
from kms_schema.text.storable import check_is_text


class RowCiphertext:
    """A value that is bound to its row, as a statement without the row reads it, such as `select(Invoice.iban)`."""

    __slots__ = ("_blob", "_place")

    def __init__(self, place: Place, blob: bytes) -> None:
        """Take a ciphertext of a place."""
        self._place = place
        self._blob = blob

    def __repr__(self) -> str:
        """Show the column and what its values are bound to: it is what a `print` of such a row shows."""
        return f"<{type(self).__name__} of {self._place.name}, bound to {', '.join(self._place.row)}>"

    def open(self, row: Mapping[str, object]) -> Any:
        """Return the value. `row`: the values of the bound columns, by their names.

        Raises `ColumnError` (`row_binding`) for other columns, and as `Key.decrypt` does. Example::

            for id, iban in session.execute(select(Invoice.id, Invoice.iban)):
                print(iban.open({"id": id}))
        """
        place = self._place
        if set(row) != set(place.row):
            raise ColumnError(
                f"column {place.name} is bound to {', '.join(place.row)}", key_id=place.key_id, reason="row_binding"
            )
        try:
            aad = place.aad(row)
        except BoundValueError as error:
            raise ColumnError(f"column {place.name}: {error}", key_id=place.key_id, reason="row_binding") from None
        return place.decoded(place.ring.decrypt(place, self._blob, aad))


class BoundValue:
    """A text or bytes with the associated data of its row."""

    place: Place
    aad: bytes
    is_written: bool = False
    """True once it was encrypted: an INSERT that fails leaves it in the instance, and it is of that row only."""

    @classmethod
    def of(cls, value: Any, place: Place, aad: bytes) -> Any:
        """Return the value with its associated data."""
        made = cls(value)  # type: ignore[call-arg]
        made.place, made.aad = place, aad
        return made


class BoundText(BoundValue, str):
    """A text."""

    def plain(self) -> str:
        """Return the text only."""
        return str.__str__(self)

    def __reduce__(self) -> Any:
        """Become a plain text in a pickle."""
        return (str, (self.plain(),))


class BoundBytes(BoundValue, bytes):
    """Bytes."""

    def plain(self) -> bytes:
        """Return the bytes only."""
        return bytes(memoryview(self))

    def __reduce__(self) -> Any:
        """Become plain bytes in a pickle."""
        return (bytes, (self.plain(),))


INSTALL: list[Callable[[], None]] = []
"""Called before a column is bound to its row the first time."""

_COMPARED_WITH_NULL = (operators.is_, operators.is_not, operators.eq, operators.ne)


class _NotCompared(sa.types.TypeEngine.Comparator[Any]):
    """Comparisons with NULL only: two ciphertexts of one text differ, and their order is random."""

    __slots__ = ()

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        """Raise `ColumnError` (`operator`) for all but IS NULL and IS NOT NULL."""
        # SQLAlchemy compares columns when it looks one up in a dictionary. statement_checks refuses it in statements.
        if op in _COMPARED_WITH_NULL and (other[0] is None or isinstance(other[0], sa.ClauseElement)):
            return super().operate(op, *other, **kwargs)
        raise refused_operator(self.expr.type, getattr(op, "__name__", str(op)))

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Raise `ColumnError` (`operator`)."""
        raise refused_operator(self.expr.type, getattr(op, "__name__", str(op)))


def refused_operator(type_: Any, operator: str) -> ColumnError:
    """Return the error of an operator that ciphertexts do not have."""
    place: Place = type_.place
    return ColumnError(
        f"column {place.name} is encrypted: the database can test it for NULL, and neither compare nor order it"
        f" (operator {operator}); select the rows by another column",
        key_id=place.key_id,
        reason="operator",
    )


class EncryptedColumn(sa.types.TypeDecorator[Any]):
    """The type of a column whose values are encrypted with the key `key_id`. The database stores bytes.

    - `key_id`: the name of a data key
    - `row`: the columns of the row that values are bound to, too, such as `("id",)`: a ciphertext does not open in
      another row. Their values have to be known before the INSERT; only instances of mapped classes write such a column
    - `value_type`: `str` (the default) or `bytes`
    - `bound_as`: the names of table and column that values are bound to, where the table or column was renamed since

    NULL stays NULL. `ring.attach(metadata)` gives the columns of a metadata their ring; a column without one is
    refused, in both directions. Values are not compared by the database: `==`, ORDER BY and LIKE raise `ColumnError`
    (`operator`). Another type cannot have it inside, such as ARRAY; a subclass may convert values. Errors of the ring
    reach the application as they are, and not within a `StatementError`. Raises `TypeError` for other arguments.
    Example::

        class Invoice(Base):
            __tablename__ = "invoices"
            id: Mapped[int] = mapped_column(primary_key=True)
            iban: Mapped[str | None] = mapped_column(EncryptedColumn("orders"))

        ring.attach(Base.metadata)
    """

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = sa.LargeBinary
    cache_ok: bool | None = True
    autogenerate_as: ClassVar[str] = "LargeBinary()"
    """The type that `kms_schema.models.autogenerate` writes into revisions of the application, after `sa.`."""
    comparator_factory = _NotCompared

    def __init__(
        self,
        key_id: str,
        *,
        row: Sequence[str] = (),
        value_type: type[Any] = str,
        bound_as: tuple[str, str] | None = None,
    ) -> None:
        """Use a key by its name; nothing is read."""
        super().__init__()
        check_is_text(key_id=key_id)
        if value_type not in (str, bytes):
            raise TypeError("value_type is str or bytes")
        if isinstance(row, str):
            raise TypeError("row is a sequence of names of columns, such as ('id',)")
        for install in INSTALL if row else ():
            install()
        self.place: Place = Place(key_id, tuple(row), value_type, bound_as)

    @property
    def _static_cache_key(self) -> Any:
        """The part of SQLAlchemy's cache keys: a processor of another column binds to other names."""
        return (type(self), self.place)

    def _set_parent(self, parent: Any, outer: bool = False, **kw: Any) -> None:
        """Give each column a place of its own, also where columns share a type or are copied, as those of a mixin.

        Raises `TypeError` within another type: statements are not checked there, and would write plaintext.
        """
        if parent.type is not self:
            raise TypeError(
                f"an EncryptedColumn is not used within {type(parent.type).__name__}: it has to be the type of its"
                " column. To convert values, make a subclass of EncryptedColumn, whose process_bind_param and"
                " process_result_value call those of EncryptedColumn with text or bytes"
            )
        super()._set_parent(parent, outer=outer, **kw)
        if self.place.column is not None and self.place.column is not parent:
            own = self.copy()
            own.place = self.place.again()
            own.place.column = parent
            parent.type = own
        else:
            self.place.column = parent

    def with_variant(self, type_: Any, *dialect_names: str) -> NoReturn:  # noqa: ARG002
        """Raise `TypeError`: another type on one engine writes plaintext there."""
        raise TypeError("an EncryptedColumn has no variants: another type would write plaintext")

    @property
    def python_type(self) -> type[Any]:
        """`str` or `bytes`."""
        return self.place.value_type

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> bytes | None:  # noqa: ARG002
        """Return the ciphertext of a value."""
        if value is None:
            return None
        place = self.place
        ring, aad = place.ring, b""
        if not place.row:
            aad = place.aad()
        elif isinstance(value, BoundValue) and value.place is place and not value.is_written:
            aad, value.is_written = value.aad, True
        else:
            raise ColumnError(
                f"column {place.name} is bound to {', '.join(place.row)} of its row: write it by instances of a mapped"
                " class, not by Core, bulk statements or update(), which do not know the row",
                key_id=place.key_id,
                reason="row_binding",
            )
        return ring.encrypt(place, place.encoded(value), aad)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        """Return the function that decrypts the values of the driver."""
        opened = super().result_processor(dialect, coltype)

        def process(value: Any) -> Any:
            if isinstance(value, NO_BYTES):
                raise self.place.no_ciphertext(value)
            return opened(value) if opened is not None else value

        # The types of columns bind nothing there: a text that was written before the column was encrypted is one still.
        return process if dialect.name == "sqlite" else opened

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:  # noqa: ARG002
        """Return the value of a ciphertext."""
        if value is None:
            return None
        place = self.place
        if place.row:
            return RowCiphertext(place, value)
        return place.decoded(place.ring.decrypt(place, value, place.aad()))

    def literal_processor(self, dialect: sa.Dialect) -> NoReturn:  # noqa: ARG002
        """Raise `ColumnError` (`operator`): SQL text has no place for a secret, as in `literal_binds`."""
        # Here and not in the function that this would return: SQLAlchemy quotes the value in the error of that.
        raise ColumnError(
            f"a value of column {self.place.name} is not written into the text of a statement: bind it as a parameter",
            key_id=self.place.key_id,
            reason="operator",
        )

    def __repr__(self) -> str:
        """Show how it is made."""
        place = self.place
        row = f", row={place.row!r}" if place.row else ""
        kind = "" if place.value_type is str else f", value_type={place.value_type.__name__}"
        names = f", bound_as={place.bound_as!r}" if place.bound_as else ""
        return f"{type(self).__name__}({place.key_id!r}{row}{kind}{names})"


def place_of(column: Any) -> Place | None:
    """Return the place of a column or expression whose type is an `EncryptedColumn`; None for others."""
    type_ = getattr(column, "type", None)
    return type_.place if isinstance(type_, EncryptedColumn) else None
