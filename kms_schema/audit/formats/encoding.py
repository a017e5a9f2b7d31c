"""Encoding v1 of an audit entry: the bytes that are hashed into the tree, the same on both engines.

An entry is one tuple of PostgreSQL's `COPY … (FORMAT binary)`, of a tag and the columns of `key_audit_logs` in their
order. The page "audit" of the documentation describes it byte by byte; `vectors.json` has test vectors for other
implementations.
"""

import hashlib
import struct
import uuid
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Literal, Self

from kms_schema.audit.formats.texts import microseconds, text_of_microseconds
from kms_schema.errors import KmsSchemaError

Value = str | int | None
"""The value of a column, in JSON."""

Bytes = bytes | bytearray | memoryview

TAG = b"kms-schema/audit-entry/v1"


class EncodingError(KmsSchemaError, ValueError):
    """Bytes or values cannot be an audit entry; or they, or a text, cannot be a seal (`seal`)."""

    reason: Literal["seal"] | None


class Kind(StrEnum):
    """The encoding of a column."""

    UUID = "uuid"
    INT4 = "int4"
    INT8 = "int8"
    TIME = "time"
    TEXT = "text"


COLUMNS: dict[str, Kind] = {
    "id": Kind.UUID,
    "sequence": Kind.INT8,
    "key_id": Kind.UUID,
    "event_type": Kind.TEXT,
    "event_category": Kind.TEXT,
    "event_description": Kind.TEXT,
    "user_id": Kind.TEXT,
    "session_id": Kind.TEXT,
    "client_ip": Kind.TEXT,
    "user_agent": Kind.TEXT,
    "timestamp": Kind.TIME,
    "duration_ms": Kind.INT8,
    "security_level": Kind.TEXT,
    "risk_score": Kind.INT4,
    "compliance_tags": Kind.TEXT,
    "retention_period_days": Kind.INT4,
    "recorded_by": Kind.TEXT,
    "additional_metadata": Kind.TEXT,
}
"""The columns after the tag, in their order. JSON is hashed as the text that the database stores."""

_NULL = b"\xff\xff\xff\xff"
_LENGTH = struct.Struct(">i")
_INT4 = struct.Struct(">i")
_INT8 = struct.Struct(">q")

PREFIX = struct.pack(">hi", 1 + len(COLUMNS), len(TAG)) + TAG
"""The prefix of each entry: the number of fields, whose first byte is the 0x00 of a leaf in RFC 6962, and the tag."""

_HEAD = struct.Struct(f">{len(PREFIX)}si16siq")
"""An entry up to its sequence: prefix, 16, id, 8, sequence."""


class Unreadable(bytes):
    """Stands for an entry with a value that its column cannot have: id and sequence only, which hash to no leaf."""

    why: str

    @classmethod
    def of(cls, entry_id: bytes | None, sequence: int, why: str) -> Self:
        """Take `entry_id`, 16 bytes, or None if it cannot be read, the `sequence`, and the reason as `why`."""
        made = cls(_HEAD.pack(PREFIX, 16, entry_id or bytes(16), 8, sequence))
        made.why = why
        return made


class Misencoded(bytes):
    """An entry with a text that is not UTF-8. An insert refuses it. The hash covers its bytes; JSON lacks them."""


def leaf_hash(entry: Bytes) -> bytes:
    """Return the hash of an entry as a leaf of the tree, 32 bytes.

    RFC 6962 puts the byte 0x00 before the data of a leaf. That byte is the first of the entry already.
    """
    return hashlib.sha256(entry).digest()


def hashes_of(entries: Iterable[Bytes]) -> bytes:
    """Return the hashes of entries one after the other, 32 bytes each."""
    sha256 = hashlib.sha256
    return b"".join([sha256(entry).digest() for entry in entries])


def identity(entry: Bytes) -> tuple[uuid.UUID, int]:
    """Return `id` and `sequence` of an entry; the rest is not read. Raises `EncodingError`."""
    _, _, raw_id, _, sequence = _head(entry)
    return uuid.UUID(bytes=raw_id), sequence


def sequence_of(entry: Bytes) -> int:
    """Return `sequence` of an entry; the rest is not read. Raises `EncodingError`."""
    return _head(entry)[4]


def _head(entry: Bytes) -> tuple[bytes, int, bytes, int, int]:
    head: tuple[bytes, int, bytes, int, int] = _HEAD.unpack_from(entry) if len(entry) >= _HEAD.size else (b"",) * 5
    if head[0] != PREFIX or head[1] != 16 or head[3] != 8:
        raise EncodingError("not an audit entry of encoding v1 with its id and sequence")
    return head


def joined(fields: Iterable[bytes | None]) -> bytes:
    """Return the entry that has these bytes in the columns of `COLUMNS`, None for NULL."""
    length = _LENGTH.pack
    return PREFIX + b"".join([_NULL if field is None else length(len(field)) + field for field in fields])


def fields(entry: Bytes) -> list[bytes | None]:
    """Return the bytes of each column of an entry, None for NULL. Raises `EncodingError`."""
    if bytes(entry[: len(PREFIX)]) != PREFIX:
        raise EncodingError("not an audit entry of encoding v1: it has another prefix")
    found: list[bytes | None] = []
    at = len(PREFIX)
    for column in COLUMNS:
        if at + 4 > len(entry):
            raise EncodingError(f"the entry ends before {column}")
        (length,) = _LENGTH.unpack_from(entry, at)
        at += 4
        if length == -1:
            found.append(None)
            continue
        if not 0 <= length <= len(entry) - at:
            raise EncodingError(f"the entry ends within {column}, or its length is wrong")
        found.append(bytes(entry[at : at + length]))
        at += length
    if at != len(entry):
        raise EncodingError(f"{len(entry) - at} bytes follow the last column")
    return found


def entry_from_columns(columns: Mapping[str, Value]) -> bytes:
    """Return the entry with these values, in the form of `columns` and `vectors.json`.

    `id` and `key_id` are UUIDs of 36 lower-case characters; `timestamp` is `YYYY-MM-DDTHH:MM:SS.ffffffZ`, or
    microseconds since 2000 outside the years 1 to 9999; other numbers are integers, and JSON is the stored text.

    Raises `EncodingError` if a column is missing, unknown, or has a value of another type.
    """
    if columns.keys() != COLUMNS.keys():
        wrong = ", ".join(sorted(columns.keys() ^ COLUMNS.keys()))
        raise EncodingError(f"an entry has {len(COLUMNS)} columns; missing or not among them: {wrong}")
    return joined(encoded(column, columns[column], ENCODERS) for column in COLUMNS)


def columns(entry: Bytes) -> dict[str, Value]:
    """Return the values of an entry, in the form of `entry_from_columns`.

    Raises `EncodingError`, also for text that is not UTF-8, which JSON cannot express.
    """
    return {column: _decoded(column, field) for column, field in zip(COLUMNS, fields(entry), strict=True)}


def encoded(column: str, value: object, encoders: Mapping[Kind, Callable[[object], bytes]]) -> bytes | None:
    """Return the bytes of a column's value, None for None. Raises `EncodingError`, which names the column.

    encoders: a function for each kind; it raises `ValueError`, `TypeError` or `struct.error` for an invalid value.
    """
    if value is None:
        return None
    try:
        return encoders[COLUMNS[column]](value)
    except (ValueError, TypeError, struct.error) as error:
        raise EncodingError(f"{column}: {error}") from error


def text_bytes(value: object) -> bytes:
    """Return a text as UTF-8. Raises `TypeError` for any other type, such as a BLOB."""
    if not isinstance(value, str):
        raise TypeError(f"not a text: {type(value).__name__}")
    return value.encode()


def integer_bytes(layout: struct.Struct) -> Callable[[object], bytes]:
    """Return an encoder of integers, which raises `TypeError` or `struct.error` for any other value."""

    def encode(value: object) -> bytes:
        if type(value) is not int:  # a bool is an int to isinstance
            raise TypeError(f"not an integer: {type(value).__name__}")
        return layout.pack(value)

    return encode


def _uuid_bytes(value: object) -> bytes:
    if not isinstance(value, str) or str(uuid.UUID(value)) != value:
        raise ValueError(f"not a UUID of 36 lower-case characters: {value!r}")
    return uuid.UUID(value).bytes


def _time_bytes(value: object) -> bytes:
    if isinstance(value, str):
        return _INT8.pack(microseconds(value))
    counted = integer_bytes(_INT8)(value)
    if text_of_microseconds(_INT8.unpack(counted)[0]) is not None:
        raise ValueError("a time in the years 1 to 9999 is written as text")
    return counted


ENCODERS: dict[Kind, Callable[[object], bytes]] = {
    Kind.UUID: _uuid_bytes,
    Kind.INT4: integer_bytes(_INT4),
    Kind.INT8: integer_bytes(_INT8),
    Kind.TIME: _time_bytes,
    Kind.TEXT: text_bytes,
}
"""The encoders of the values of `entry_from_columns`."""


def _decoded(column: str, field: bytes | None) -> Value:
    if field is None:
        return None
    kind = COLUMNS[column]
    try:
        if kind is Kind.UUID:
            return str(uuid.UUID(bytes=field))
        if kind is Kind.TEXT:
            return field.decode()
        number: int = (_INT4 if kind is Kind.INT4 else _INT8).unpack(field)[0]
    except (ValueError, struct.error) as error:
        raise EncodingError(f"{column}: {error}") from error
    text = text_of_microseconds(number) if kind is Kind.TIME else None
    return number if text is None else text
