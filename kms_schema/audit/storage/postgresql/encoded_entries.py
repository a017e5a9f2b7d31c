"""Entries as PostgreSQL writes them, for COPY and as an expression of SQL."""

from kms_schema.audit.formats.encoding import COLUMNS, TAG, Kind

_TYPES = {Kind.UUID: "uuid", Kind.INT4: "int4", Kind.INT8: "int8", Kind.TIME: "timestamptz", Kind.TEXT: "text"}

SELECTED = ", ".join([f"'{TAG.decode()}'::text", *(f'"{column}"::{_TYPES[kind]}' for column, kind in COLUMNS.items())])
"""What `COPY (SELECT … FROM key_audit_logs) TO STDOUT (FORMAT binary)` selects, so that each tuple is an entry.

Text comes in the session's `client_encoding`, which must be UTF8.
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
"""The same bytes as a value of type bytea: an array's elements are written as a tuple's fields, after 20 bytes."""

LEAF_HASH = f"sha256({EXPRESSION})"
"""The hash of an entry as a leaf, made by the server."""
