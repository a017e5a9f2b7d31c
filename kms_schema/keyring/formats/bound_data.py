"""The associated data of a value in a database column: table, column and, where asked for, values of its row.

The bytes are fields, each after its length in four bytes, big endian. The fields are the name of this encoding, the
table, the column, then for each bound column of the row its name and its value. Bound columns are in the order of their
names, so that the order of a declaration does not matter. A value begins with one letter for its type.
The page "ciphertexts" of the documentation has the table.

A value must have the same bytes before INSERT and after SELECT. So decimals have no trailing zeros (a column of scale 2
returns 1.50 for 1.5). Times with a zone are in UTC (a server returns them in the session's zone). Different types have
different bytes: 1, True, "1" and Decimal(1) are four values.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum

from kms_schema.envelope_format import fields
from kms_schema.keyring.formats.errors import BoundValueError

ENCODING = "kms-schema/column/v1"


def bound_data(table: str, column: str, row: Mapping[str, object] | None = None) -> bytes:
    """Return the associated data of the value in `column` of `table`.

    row: the bound columns of the row and their values, of the types None, bool, int, str, bytes, UUID, Decimal, date
    and datetime; none by default. The encoding takes names as they are: give a table the same name everywhere.

    Raises `BoundValueError` for an empty name, another type, a decimal that is not finite, and an integer of thousands
    of digits. It is also raised for a text that is not Unicode, and a time outside the years 1 to 9999 in UTC.
    Example::

        bound_data("invoices", "iban", {"id": 17})
    """
    names = [_text(name, "the name of a table or column") for name in (table, column)]
    if not all(names):
        raise BoundValueError("the name of a table or column is empty: nothing is bound to it")
    bound = sorted((_text(name, "the name of a bound column"), name) for name in row or {})
    values = (part for encoded, name in bound for part in (encoded, _value(name, (row or {})[name])))
    return fields(ENCODING.encode(), *names, *values)


def _text(value: str, subject: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:  # its message quotes the text
        raise BoundValueError(f"{subject} has a surrogate, which UTF-8 cannot encode") from None


def _value(name: str, value: object) -> bytes:
    """Return the letter and the bytes of a value."""
    subject = f"the bound column {name!r}"
    encoded: bytes | None = None
    match value:
        case Enum():  # a member of StrEnum is a str, but SQLAlchemy stores its name by default
            encoded = None
        case None:
            encoded = b"n"
        case bool():
            encoded = b"b" + bytes([value])
        case int():
            encoded = b"i" + _integer(value, subject)
        case str():
            encoded = b"s" + _text(value, subject)
        case bytes() | bytearray() | memoryview():
            encoded = b"x" + bytes(value)
        case uuid.UUID():
            encoded = b"u" + value.bytes
        case Decimal():
            encoded = b"d" + _decimal(value, subject)
        case datetime():
            encoded = _time(value, subject)
        case date():
            encoded = b"D" + value.isoformat().encode()
    if encoded is None:
        raise BoundValueError(f"{subject} has a value of type {type(value).__name__}, which cannot be bound")
    return encoded


def _integer(value: int, subject: str) -> bytes:
    """Return the decimal digits, with a minus sign where it is negative."""
    try:
        return b"%d" % value
    except ValueError:  # Python writes no more than 4,300 digits
        raise BoundValueError(f"{subject} has an integer that is too long, which cannot be bound") from None


def _decimal(value: Decimal, subject: str) -> bytes:
    """Return digits without trailing zeros, `e` and the power of ten: `15e-1` for 1.50."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise BoundValueError(f"{subject} has a decimal that is not a finite number, which cannot be bound")
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    if not kept:
        return b"0e0"  # also for -0, which databases return as 0
    return f"{'-' * sign}{kept}e{exponent + len(text) - len(kept)}".encode()


def _time(value: datetime, subject: str) -> bytes:
    """Return `t` and the time in UTC, or `l` and a time without a zone, in microseconds."""
    if value.utcoffset() is None:
        return b"l" + value.replace(tzinfo=None).isoformat(timespec="microseconds").encode()
    try:
        in_utc = value.astimezone(UTC)
    except OverflowError:
        raise BoundValueError(f"{subject} has a time that lies outside the years 1 to 9999 in UTC") from None
    return b"t" + in_utc.replace(tzinfo=None).isoformat(timespec="microseconds").encode() + b"Z"
