"""Entries in encoding v1 as PostgreSQL writes them: in a COPY, and as an expression of SQL.

Values become text by the functions of their types. A cast such as `::text` calls any function that a superuser gave to
CREATE CAST, except between types of text.
"""

from kms_schema.audit.formats.encoding import COLUMNS, TAG, Kind

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
