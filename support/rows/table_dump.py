"""The rows of the six tables, as the same Python values on both engines."""

import datetime as dt
import json
import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from kms_schema.models import Base, UtcTimestamp
from support.engines.database import Connection
from support.rows.smallest import Row
from support.statements import dialect_of

TABLES = (
    "key_masters",
    "key_versions",
    "rotation_policies",
    "key_rotations",
    "hsm_configurations",
    "key_audit_logs",
)

TableDump = dict[str, list[Row]]
"""The rows of each table, ordered by id; audit entries by sequence."""


def dump_tables(connection: Connection) -> TableDump:
    """Return all rows of all tables."""
    return {table: _rows(connection, Base.metadata.tables[table]) for table in TABLES}


def _rows(connection: Connection, table: sa.Table) -> list[Row]:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    order = "sequence" if "sequence" in table.columns else "id"
    rows = connection.execute(f"SELECT {columns} FROM {table.name} ORDER BY {order}").fetchall()  # type: ignore[arg-type]  # noqa: S608
    convert = _from_sqlite if dialect_of(connection) == "sqlite" else _unchanged
    readers = [(column.name, convert(column.type)) for column in table.columns]
    return [
        {name: None if value is None else read(value) for (name, read), value in zip(readers, row, strict=True)}
        for row in rows
    ]


def _unchanged(_kind: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    return lambda value: value


def _from_sqlite(kind: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    if isinstance(kind, UtcTimestamp):
        return dt.datetime.fromisoformat
    match kind:
        case sa.Uuid():
            return uuid.UUID
        case sa.Boolean():
            return bool
        case sa.JSON():
            return json.loads
    return _unchanged(kind)
