"""Kinds of mutations on SQLite."""

from tests.mutations.kinds import Kind
from tests.mutations.sqlite import attached, surroundings, tables

KINDS: tuple[Kind, ...] = (
    *tables.TABLES,
    *tables.COLUMNS,
    *tables.CONSTRAINTS,
    *attached.ATTACHED,
    *surroundings.SURROUNDINGS,
)
