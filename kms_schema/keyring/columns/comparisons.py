"""Finds the parts of a statement in which the database would compare or order the values of an encrypted column.

Two ciphertexts of one text differ, and their order is random: the result would be wrong without an error.
"""

import re
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
_MEASURING = frozenset({"count", "length", "octet_length", "pg_column_size"})
"""Functions that say something of a ciphertext that is true. Others, such as `lower`, take it for a text."""
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
    elif isinstance(element, functions.FunctionElement):
        name = getattr(element, "name", "").lower()
        # One whose result is of the type returns the value of a row, such as coalesce().
        if name in _COMPARING or (name not in _MEASURING and place_of(element) is None):
            yield from _themselves(f"{name}()", _operands(element.clauses))
    elif isinstance(element, elements.Cast | elements.TypeCoerce) and not _keeps_bytes(element):
        yield from _themselves("CAST", _operands([element.clause]))
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
        for over in (each for part in select._raw_columns for each in visitors.iterate(part)):
            if isinstance(over, elements.Over):
                parts = [part for part in (over.order_by, over.partition_by) if part is not None]
                yield from _within("OVER", (each for part in parts for each in _named(select, part)))
        extended = getattr(select, "_pre_columns_clause", None)  # distinct_on() of PostgreSQL, from SQLAlchemy 2.1 on
        on = (*select._distinct_on, *getattr(extended, "_distinct_on", ()))
        yield from _within("DISTINCT ON", on)
        if select._distinct and not on:
            yield from _without_key("DISTINCT", select)


def _named(select: Any, clause: Any) -> Iterator[Any]:
    """Return a clause, and the columns that texts in it stand for, as in `order_by("iban", text("2"))`."""
    yield clause
    for each in visitors.iterate(clause):
        name = getattr(each, "element", None)
        if isinstance(each, elements.TextClause):
            name = each.text
        elif isinstance(each, elements.ColumnClause) and each.is_literal:
            name = each.name
        if isinstance(name, str):
            yield from _columns_in(select, name)


def _columns_in(select: Any, text: str) -> Iterator[Any]:
    """Return the columns whose names or numbers a text has, of the list of a select, and else of its tables."""
    words = set(re.findall(r"\w+", text.casefold()))
    for number, each in enumerate(getattr(select, "selected_columns", ()), 1):
        name = str(getattr(each, "key", None)).casefold()
        if str(number) == text.strip() or name in words:
            yield each
            if "." not in text:
                words.discard(name)
    froms = select.get_final_froms() if isinstance(select, sa.Select) and words else ()
    tables = (each for part in froms for each in visitors.iterate(part) if isinstance(each, sa.Table))
    yield from (each for table in tables for each in table.columns if each.name.casefold() in words)


def _keeps_bytes(conversion: Any) -> bool:
    """Return whether a conversion leaves ciphertexts as they are: its result is theirs, or bytes."""
    return place_of(conversion) is not None or isinstance(conversion.type, sa.types.LargeBinary)


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
