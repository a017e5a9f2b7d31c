"""Kinds of mutations on PostgreSQL."""

from tests.validator.mutations.kinds import Kind
from tests.validator.mutations.postgresql import (
    columns,
    constraints,
    functions,
    indexes,
    sequences,
    surroundings,
    tables,
    triggers,
    views,
)

KINDS: tuple[Kind, ...] = (
    *tables.TABLES,
    *tables.GUARDS,
    *tables.RIGHTS,
    *columns.COLUMNS,
    *constraints.CONSTRAINTS,
    *constraints.ADDED,
    *indexes.INDEXES,
    *indexes.ADDED,
    *triggers.TRIGGERS,
    *triggers.ADDED,
    *functions.FUNCTIONS,
    *views.VIEWS,
    *sequences.SEQUENCES,
    *surroundings.SURROUNDINGS,
    *surroundings.VERSION_TABLE,
)
