"""Entries in encoding v1 from the rows of SQLite."""

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress

from kms_schema.audit.formats.encoding import (
    COLUMNS,
    ENCODERS,
    EncodingError,
    Kind,
    Misencoded,
    Unreadable,
    encoded,
    joined,
    text_bytes,
)
from kms_schema.audit.formats.texts import microseconds

SELECTED = ", ".join(f'"{column}"' for column in COLUMNS)
"""The columns of a SELECT for `entry_from_row`."""

_INT8 = struct.Struct(">q")
_LONGEST = 200
"""The most characters of an error that are shown: it can contain a value of any size."""
_HEX = frozenset("0123456789abcdef")


def entry_from_row(row: Sequence[object]) -> bytes:
    """Return the entry of a row of `SELECTED`, in encoding v1.

    Raises `EncodingError` if a value does not have the type of its column: a BLOB is not a text, whatever its bytes.
    """
    return joined(encoded(column, value, _ENCODERS) for column, value in zip(COLUMNS, row, strict=True))


def entry_or_unreadable(row: Sequence[object]) -> bytes:
    """Return the entry of a row whose sequence is an integer; `Misencoded` or `Unreadable` if none can insert it."""
    try:
        return joined(encoded(column, value, _OF_CLIENTS) for column, value in zip(COLUMNS, row, strict=True))
    except EncodingError:
        pass
    try:
        return Misencoded(entry_from_row(row))
    except EncodingError as error:
        with suppress(ValueError):
            return Unreadable.of(_uuid_bytes(row[0]), int(str(row[1])), str(error)[:_LONGEST])
        return Unreadable.of(None, int(str(row[1])), str(error)[:_LONGEST])


def _uuid_bytes(value: object) -> bytes:
    if not isinstance(value, str) or len(value) != 32 or not _HEX.issuperset(value):
        raise ValueError(f"not an id of 32 lower-case hexadecimal digits: {value!r}")
    return bytes.fromhex(value)


def _time_bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"not a timestamp as text: {type(value).__name__}")
    return _INT8.pack(microseconds(value))


def _text_bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {type(value).__name__}")
    return value.encode(errors="surrogateescape")


_ENCODERS: dict[Kind, Callable[[object], bytes]] = {
    **ENCODERS,
    Kind.UUID: _uuid_bytes,
    Kind.TIME: _time_bytes,
    Kind.TEXT: _text_bytes,
}
_OF_CLIENTS = {**_ENCODERS, Kind.TEXT: text_bytes}
