"""Values of columns that are bound to their row: read without the row, or about to be written with it."""

from collections.abc import Callable, Mapping
from typing import Any

from kms_schema.keyring.columns.places import Place
from kms_schema.keyring.errors import ColumnError
from kms_schema.keyring.formats.errors import BoundValueError


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


def listen_for_mappers(install: Callable[[], None]) -> None:
    """Call `install` before a column is bound to its row the first time."""
    INSTALL.append(install)
