"""Kinds of mutations on SQLite."""

from tests.validator.mutations.kinds import Kind
from tests.validator.mutations.sqlite import attached, surroundings, tables

KINDS: tuple[Kind, ...] = (
    *tables.TABLES,
    *tables.COLUMNS,
    *tables.CONSTRAINTS,
    *attached.ATTACHED,
    *surroundings.SURROUNDINGS,
)
