"""Entries in encoding v1 as PostgreSQL writes them: in a COPY, and as an expression of SQL.

Values become text by the functions of their types. A cast such as `::text` calls any function that a superuser gave to
CREATE CAST, except between types of text.
"""

import struct
from collections.abc import Iterable, Iterator

from kms_schema.audit.formats.encoding import COLUMNS, PREFIX, TAG, Bytes, EncodingError, Kind

_JSON = ("compliance_tags", "additional_metadata")
_STORED = {column: f'textin(jsonb_out("{column}"))' if column in _JSON else f'"{column}"' for column in COLUMNS}

SELECTED = ", ".join([f"'{TAG.decode()}'::text", *_STORED.values()])
"""The columns of `COPY (SELECT … FROM key_audit_logs) TO STDOUT (FORMAT binary)` with which each tuple is an entry.

Text has the `client_encoding` of the session, which must be UTF8.
"""

_SENT = {
    Kind.UUID: "uuid_send({})",
    Kind.INT4: "int4send({})",
    Kind.INT8: "int8send({})",
    Kind.TIME: "timestamptz_send({})",
    Kind.TEXT: "convert_to({}, 'UTF8')",
}
_ARRAY = ", ".join(
    [f"'{TAG.decode()}'::bytea", *(_SENT[kind].format(_STORED[column]) for column, kind in COLUMNS.items())]
)

EXPRESSION = f"int2send({1 + len(COLUMNS)}::int2) || substr(array_send(ARRAY[{_ARRAY}]), 21)"
"""The same bytes as a bytea value: the elements of an array are written like the fields of a tuple, after 20 bytes."""

LEAF_HASH = f"sha256({EXPRESSION})"
"""The leaf hash of an entry, computed by the server."""


SIGNATURE = b"PGCOPY\n\xff\r\n\0"
TRAILER = b"\xff\xff"

_HEADER_SIZE = len(SIGNATURE) + 8
_KNOWN_FLAGS = 0xFFFF
"""Flags above these (bits 16 to 31) change the format; readers must stop at an unknown one."""
_length_at = struct.Struct(">i").unpack_from


def entries(chunks: Iterable[Bytes]) -> Iterator[Bytes]:
    """Yield each tuple of a stream that selects `SELECTED` of `encoded_entries`: an entry in encoding v1.

    chunks: the stream, in pieces of any size. Raises `EncodingError` if it is another stream, or ends before its
    trailer, so that a truncated stream never counts as a whole trail.
    """
    return whole(after_header(chunks))


def whole(pieces: Iterable[Bytes]) -> Iterator[Bytes]:
    """Yield each tuple of the pieces of `after_header`. Every length in it is read, to find its end.

    The server usually sends one tuple a piece, which is yielded without a copy: store no more of them than needed.
    Raises `EncodingError`.
    """
    rest = bytearray()
    source = iter(pieces)
    for chunk in source:
        if not rest and _end_of_tuple(chunk, 0) == len(chunk):
            yield chunk
            continue
        rest += chunk
        start = 0
        while (end := _end_of_tuple(rest, start)) is not None:
            yield bytes(rest[start:end])
            start = end
        if rest[start : start + 2] == TRAILER:
            if len(rest) > start + 2 or any(len(more) for more in source):
                raise EncodingError("the COPY stream continues after its trailer")
            return
        del rest[:start]
    raise EncodingError("the COPY stream ends too early: the connection was lost, or the stream was truncated")


def after_header(stream: Iterable[Bytes]) -> Iterator[Bytes]:
    """Yield the pieces after the header; the trailer is the end of the last piece. Raises `EncodingError`."""
    chunks = iter(stream)
    head = b""
    size = _HEADER_SIZE
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEADER_SIZE:
            flags, extension = struct.unpack_from(">Ii", head, len(SIGNATURE))
            if not head.startswith(SIGNATURE) or flags > _KNOWN_FLAGS or extension < 0:
                raise EncodingError("not a binary COPY stream that this version reads")
            size = _HEADER_SIZE + extension
            if len(head) >= size:
                break
    if len(head) > size:
        yield head[size:]
    yield from chunks


def _end_of_tuple(data: Bytes | bytearray, start: int) -> int | None:
    """Return the end of the tuple that begins at `start`; None if it is incomplete, or the trailer."""
    if data[start : start + len(PREFIX)] != PREFIX:
        begun = bytes(data[start : start + len(PREFIX)])
        if PREFIX.startswith(begun) or TRAILER.startswith(begun[:2]):
            return None
        raise EncodingError("the COPY stream has a row that is not an audit entry of encoding v1")
    at = start + len(PREFIX)
    length_at = _length_at
    try:
        for _ in COLUMNS:
            length = length_at(data, at)[0]
            if length >= 0:
                at += 4 + length
            elif length == -1:
                at += 4
            else:
                raise EncodingError("the COPY stream has a field of negative length")
    except struct.error:
        return None
    return at if at <= len(data) else None
