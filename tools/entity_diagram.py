"""The tables and their foreign keys as a Mermaid diagram, drawn from the models."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from kms_schema.models import (
    Base,
    HsmConfiguration,
    KeyAuditDailyTotal,
    KeyAuditLeafPage,
    KeyAuditLog,
    KeyAuditRetentionPolicy,
    KeyAuditSeal,
    KeyAuditSubtree,
    KeyAuditTombstone,
    KeyMaster,
    KeyOperationRecord,
    KeyRotation,
    KeyRotationCause,
    KeyVersion,
    RotationPolicy,
)

# Mermaid places tables in the order in which it reads them. This order, with the spacing below, gives the narrowest
# picture without overlapping lines and labels; tables that are not listed come last.
_PLACED: tuple[type[Base], ...] = (
    KeyMaster,
    KeyAuditLog,
    RotationPolicy,
    KeyVersion,
    KeyRotation,
    HsmConfiguration,
    KeyAuditSeal,
    KeyAuditLeafPage,
    KeyAuditSubtree,
    KeyAuditTombstone,
    KeyAuditRetentionPolicy,
    KeyAuditDailyTotal,
    KeyRotationCause,
    KeyOperationRecord,
)
_SPACING = '%%{init: {"er": {"entityPadding": 8, "nodeSpacing": 50, "rankSpacing": 60}}}%%'

_POSTGRESQL = sa.make_url("postgresql+psycopg://").get_dialect()()
_SHORT_TYPES = {"timestamp with time zone": "timestamptz", "double precision": "double"}


def entity_diagram() -> str:
    """Return Mermaid's `erDiagram` of the tables of both engines.

    It contains keys and columns of a vocabulary; other columns are left out.
    """
    tables = _tables()
    entities = [line for table in tables for line in _entity(table)]
    foreign_keys = [
        (referred, table, constraint)
        for referred in tables
        for table in tables
        for constraint in sorted(table.foreign_key_constraints, key=lambda each: tuple(each.column_keys))
        if constraint.referred_table is referred
    ]
    # References to the same table come first: later, their labels would overlap others.
    foreign_keys.sort(key=lambda each: each[0] is not each[1])
    lines = [*entities, *(_relationship(constraint) for *_, constraint in foreign_keys)]
    return "\n".join((_SPACING, "erDiagram", *(f"    {line}" for line in lines)))


def _tables() -> list[sa.Table]:
    placed = [model.metadata.tables[model.__tablename__] for model in _PLACED]
    shared = [table for table in Base.metadata.sorted_tables if "only_on" not in table.info]
    return [*placed, *(table for table in shared if table not in placed)]


def _entity(table: sa.Table) -> Iterator[str]:
    yield f"{table.name} {{"
    for column in table.columns:
        marks = _marks(column)
        comment = _shared_uniqueness(column)
        if marks or comment or isinstance(column.type, sa.Enum):
            yield "    " + " ".join(filter(None, (_type(column), column.name, ", ".join(marks), comment)))
    yield "}"


def _marks(column: sa.Column[Any]) -> list[str]:
    unique = any([*columns] == [column] for columns in _unique_keys(column.table))
    held = {"PK": column.primary_key, "FK": bool(column.foreign_keys), "UK": unique}
    return [mark for mark, holds in held.items() if holds]


def _shared_uniqueness(column: sa.Column[Any]) -> str:
    """Return the comment on the last column of a unique key of several, which no mark can tell."""
    for *others, last in _unique_keys(column.table):
        if others and last is column:
            return f'"unique with {", ".join(other.name for other in others)}"'
    return ""


def _unique_keys(table: sa.Table) -> list[list[sa.Column[Any]]]:
    constraints = (each for each in table.constraints if isinstance(each, sa.UniqueConstraint))
    return [list(constraint.columns) for constraint in constraints]


def _type(column: sa.Column[Any]) -> str:
    """Return PostgreSQL's name of a column's type in one word, as Mermaid wants it."""
    if isinstance(column.type, sa.Enum):
        return "enum"
    name = column.type.compile(dialect=_POSTGRESQL).lower().partition("(")[0]
    return _SHORT_TYPES.get(name, name)


def _relationship(constraint: sa.ForeignKeyConstraint) -> str:
    columns = list(constraint.columns)
    parent = "|o" if any(column.nullable for column in columns) else "||"
    child = "o|" if any(set(key) <= set(columns) for key in _unique_keys(constraint.table)) else "o{"
    # In two lines of its own: what is broken by its width is cut off where the page is zoomed.
    label = f"{', '.join(constraint.column_keys)}<br>{constraint.ondelete or 'NO ACTION'}"
    return f'{constraint.referred_table.name} {parent}--{child} {constraint.table.name} : "{label}"'
