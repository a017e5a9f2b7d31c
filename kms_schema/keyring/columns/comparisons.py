"""Finds the parts of a statement in which the database would compare or order the values of an encrypted column.

Two ciphertexts of one text differ, and their order is random: the result would be wrong without an error.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import elements, functions, operators, selectable, visitors
from sqlalchemy.sql.dml import Insert

from kms_schema.keyring.columns.encrypted_column import place_of

_WITH_NULL = (operators.is_, operators.is_not)
_COMPARING = frozenset({"min", "max", "greatest", "least", "nullif"})
"""Functions that compare or order their arguments."""
_IN_ORDER = (elements.WithinGroup, postgresql.aggregate_order_by, getattr(elements, "AggregateOrderBy", ()))


def compared(element: Any) -> Iterator[tuple[str, Any]]:
    """Return the columns that an element of a statement compares or orders, each with the name of the operator."""
    if isinstance(element, selectable.GenerativeSelect):
        yield from _of_select(element)
    elif isinstance(element, Insert):
        where = getattr(element._post_values_clause, "update_whereclause", None)  # SQLAlchemy 2.0 does not walk it
        for each in visitors.iterate(where) if where is not None else ():
            yield from compared(each)
    elif isinstance(element, elements.Over):
        parts = [part for part in (element.order_by, element.partition_by) if part is not None]
        yield from _within("OVER", parts)
    elif isinstance(element, _IN_ORDER):
        yield from _within("ORDER BY", [element.order_by])
    elif isinstance(element, elements.BinaryExpression) and element.operator not in _WITH_NULL:
        name = getattr(element.operator, "__name__", "comparison")
        yield from _themselves(name, _operands([element.left, element.right]))
    elif isinstance(element, elements.UnaryExpression) and element.operator is operators.distinct_op:
        yield from _themselves("DISTINCT", _operands([element.element]))
    elif isinstance(element, functions.FunctionElement) and getattr(element, "name", "").lower() in _COMPARING:
        yield from _themselves(element.name, _operands(element.clauses))
    elif isinstance(element, elements.Case) and element.value is not None:
        yield from _themselves("CASE", _operands([element.value]))


def _within(operator: str, parts: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Return the columns anywhere in parts of a statement."""
    yield from ((operator, each) for part in parts for each in visitors.iterate(part) if place_of(each) is not None)


def _themselves(operator: str, operands: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Return those operands that are columns: `length(column) > 20` compares no ciphertext."""
    yield from ((operator, each) for each in operands if place_of(each) is not None)


def _operands(parts: Iterable[Any]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, elements.Grouping):
            yield from _operands([part.element])
        elif isinstance(part, elements.ClauseList | elements.Tuple):
            yield from _operands(part.clauses)
        else:
            yield part


def _of_select(select: Any) -> Iterator[tuple[str, Any]]:
    for name, clauses in (("ORDER BY", select._order_by_clauses), ("GROUP BY", select._group_by_clauses)):
        for clause in clauses:
            yield from _within(name, _named(select, clause))
    if isinstance(select, selectable.CompoundSelect):
        if select.keyword is not selectable._CompoundSelectKeyword.UNION_ALL:
            for each in select.selects:
                yield from _without_key(select.keyword.value, each)
    elif isinstance(select, sa.Select):
        extended = getattr(select, "_pre_columns_clause", None)  # distinct_on() of PostgreSQL, from SQLAlchemy 2.1 on
        on = (*select._distinct_on, *getattr(extended, "_distinct_on", ()))
        yield from _within("DISTINCT ON", on)
        if select._distinct and not on:
            yield from _without_key("DISTINCT", select)


def _named(select: Any, clause: Any) -> Iterator[Any]:
    """Return a clause, and the columns that texts in it stand for, as in `order_by("iban", desc("note"))`."""
    yield clause
    for each in visitors.iterate(clause):
        name = getattr(each, "element", None)
        found = getattr(select, "selected_columns", {}).get(name) if isinstance(name, str) else None
        if found is not None:
            yield found


def _without_key(operator: str, select: Any) -> Iterator[tuple[str, Any]]:
    """Return the encrypted columns of a select whose rows the database compares, such as DISTINCT.

    With a key of their table no two of its rows are the same, so nothing depends on the ciphertext.
    """
    listed = getattr(select, "_all_selected_columns", ())
    columns = [each for each in listed if isinstance(each, elements.ColumnElement)]  # and no text
    # Others than those of a table, such as a subquery in the list, belong to a row that the list may have the key of.
    roots = {root for each in columns for root in each.base_columns if isinstance(root, sa.Column)}
    for root in roots:
        place = place_of(root)
        if place is not None:
            names = {each.name for each in roots if getattr(each.table, "fullname", None) == place.table.fullname}
            if not any(key and key <= names for key in keys_of(place.table)):
                yield f"{operator} without a key of the table", root


def keys_of(table: sa.Table) -> Iterator[set[str]]:
    """Return the names of the columns of each key of a table."""
    unique = (each for each in table.constraints if isinstance(each, sa.UniqueConstraint | sa.PrimaryKeyConstraint))
    for constraint in unique:
        yield {column.name for column in constraint.columns}
    for index in table.indexes:
        if index.unique:
            yield {column.name for column in index.columns}
