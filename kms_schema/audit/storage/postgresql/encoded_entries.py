"""Entries in encoding v1 as PostgreSQL writes them: in a COPY, and as an expression of SQL."""

from kms_schema.audit.formats.encoding import COLUMNS, TAG, Kind

_TYPES = {Kind.UUID: "uuid", Kind.INT4: "int4", Kind.INT8: "int8", Kind.TIME: "timestamptz", Kind.TEXT: "text"}

SELECTED = ", ".join([f"'{TAG.decode()}'::text", *(f'"{column}"::{_TYPES[kind]}' for column, kind in COLUMNS.items())])
"""The columns of `COPY (SELECT … FROM key_audit_logs) TO STDOUT (FORMAT binary)` with which each tuple is an entry.

Text has the `client_encoding` of the session, which must be UTF8.
"""

_SENT = {
    Kind.UUID: 'uuid_send("{}")',
    Kind.INT4: 'int4send("{}")',
    Kind.INT8: 'int8send("{}")',
    Kind.TIME: 'timestamptz_send("{}")',
    Kind.TEXT: "convert_to(\"{}\"::text, 'UTF8')",
}
_ARRAY = ", ".join([f"'{TAG.decode()}'::bytea", *(_SENT[kind].format(column) for column, kind in COLUMNS.items())])

EXPRESSION = f"int2send({1 + len(COLUMNS)}::int2) || substr(array_send(ARRAY[{_ARRAY}]), 21)"
"""The same bytes as a bytea value: the elements of an array are written like the fields of a tuple, after 20 bytes."""

LEAF_HASH = f"sha256({EXPRESSION})"
"""The leaf hash of an entry, computed by the server."""
