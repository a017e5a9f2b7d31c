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
from kms_schema.keyring.columns.statement_parts import MEASURING, ciphertexts_in, is_null_test, parts_of, selects_of
from kms_schema.keyring.columns.texts import Texts

_COMPARING = frozenset({"min", "max", "greatest", "least", "nullif"})
"""Functions that compare or order their arguments."""
_WITH_ONE = (elements.Grouping, elements.Label, elements.CollectionAggregate, selectable.ScalarSelect)
_IN_ORDER = tuple(
    {elements.WithinGroup, postgresql.aggregate_order_by, getattr(elements, "AggregateOrderBy", elements.WithinGroup)}
)


def compared(element: Any) -> Iterator[tuple[str, Any]]:
    """Return the columns that an element of a statement compares or orders, each with the name of the operator."""
    yield from _themselves("of a condition", _operands(_conditions(element)))
    if isinstance(element, selectable.GenerativeSelect):
        yield from _of_select(element)
    elif isinstance(element, Insert):
        where = getattr(element._post_values_clause, "update_whereclause", None)  # SQLAlchemy 2.0 does not walk it
        for each in visitors.iterate(where) if where is not None else ():
            yield from compared(each)
    elif isinstance(element, (elements.Over, *_IN_ORDER)):
        yield from _within(*_order_in(element))
    elif isinstance(element, elements.BinaryExpression) and not is_null_test(element):
        name = getattr(element.operator, "__name__", "comparison")
        yield from _themselves(name, _operands([element.left, element.right]))
    elif isinstance(element, elements.UnaryExpression) and element.operator is operators.distinct_op:
        yield from _themselves("DISTINCT", _operands([element.element]))
    elif isinstance(element, functions.FunctionElement):
        name = getattr(element, "name", "").lower()
        # One whose result is of the type returns the value of a row, such as coalesce().
        if name in _COMPARING or (name not in MEASURING and place_of(element) is None):
            yield from _themselves(f"{name}()", _operands(element.clauses))
    elif isinstance(element, elements.Cast | elements.TypeCoerce) and not _keeps_bytes(element):
        yield from _themselves("CAST", _operands([element.clause]))
    elif isinstance(element, elements.Case) and element.value is not None:
        yield from _themselves("CASE", _operands([element.value]))
    elif isinstance(element, elements.Extract):
        yield from _themselves("EXTRACT", _operands([element.expr]))


def _within(operator: str, parts: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Return the columns anywhere in parts of a statement whose values the database orders or compares there."""
    yield from ((operator, each) for part in parts for each in ciphertexts_in(part))


def _themselves(operator: str, operands: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Return those operands that are columns: `length(column) > 20` compares no ciphertext."""
    yield from ((operator, each) for each in operands if place_of(each) is not None)


def _operands(parts: Iterable[Any]) -> Iterator[Any]:
    """Return operands, and those in lists, arrays, subqueries and CASE, whose type is that of one value only."""
    for part in parts:
        yield part
        opened: Iterable[Any] = ()
        if isinstance(
            part, elements.Grouping | elements.Label | selectable.ScalarSelect | elements.CollectionAggregate
        ):
            opened = [part.element]
        elif isinstance(part, elements.ClauseList | elements.ExpressionClauseList):
            opened = part.clauses
        elif isinstance(part, elements.Case):
            opened = [*(value for _, value in part.whens), part.else_]
        elif isinstance(part, selectable.SelectBase):
            opened = [each for select in selects_of(part) for each in getattr(select, "_all_selected_columns", ())]
        yield from _operands(opened)


def _conditions(element: Any) -> Iterator[Any]:
    """Return the conditions of an element: SQLite takes a column alone for one."""
    for name in ("_where_criteria", "_having_criteria"):
        yield from getattr(element, name, None) or ()
    yield from (joined[1] for joined in getattr(element, "_setup_joins", ()) if joined[1] is not None)
    if isinstance(element, selectable.Join):
        yield element.onclause
    elif isinstance(element, elements.FunctionFilter):
        yield element.criterion
    elif isinstance(element, elements.BooleanClauseList):
        yield from element.clauses
    elif isinstance(element, elements.Case) and element.value is None:
        yield from (condition for condition, _ in element.whens)


def _order_in(element: Any) -> tuple[str, list[Any]]:
    """Return the name and the parts of a window or of the order within an aggregate."""
    if isinstance(element, elements.Over):
        return "OVER", [part for part in (element.order_by, element.partition_by) if part is not None]
    return "ORDER BY", [element.order_by]


def _of_select(select: Any) -> Iterator[tuple[str, Any]]:
    texts = Texts(select)
    for name, clauses in (("ORDER BY", select._order_by_clauses), ("GROUP BY", select._group_by_clauses)):
        yield from _within(name, clauses)
        for clause in clauses:
            yield from _by_text(name, texts.meant(clause, with_numbers=True))
    if isinstance(select, selectable.CompoundSelect):
        if select.keyword is not selectable._CompoundSelectKeyword.UNION_ALL:
            for each in selects_of(select):
                yield from _without_key(select.keyword.value, each)
    elif isinstance(select, sa.Select):
        for each in (each for part in (*select._raw_columns, *select._having_criteria) for each in parts_of(part)):
            if isinstance(each, (elements.Over, *_IN_ORDER)):
                name, parts = _order_in(each)
                for part in parts:
                    yield from _by_text(name, texts.meant(part))
        extended = getattr(select, "_pre_columns_clause", None)  # distinct_on() of PostgreSQL, from SQLAlchemy 2.1 on
        on = (*select._distinct_on, *getattr(extended, "_distinct_on", ()))
        yield from _within("DISTINCT ON", on)
        for clause in on:
            yield from _by_text("DISTINCT ON", texts.meant(clause, with_numbers=True))
        if select._distinct and not on:
            yield from _without_key("DISTINCT", select)


def _by_text(operator: str, columns: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    yield from ((f"{operator}, by a text or number that may mean it: name other columns", each) for each in columns)


def _keeps_bytes(conversion: Any) -> bool:
    """Return whether a conversion leaves ciphertexts as they are: its result is theirs, or bytes."""
    return place_of(conversion) is not None or isinstance(conversion.type, sa.types.LargeBinary)


def _without_key(operator: str, select: Any) -> Iterator[tuple[str, Any]]:
    """Return the encrypted columns of a select whose rows the database compares, such as DISTINCT.

    With a key of their table no two of its rows are the same, so nothing depends on the ciphertext.
    """
    listed = getattr(select, "_all_selected_columns", ())
    columns = [each for each in listed if isinstance(each, elements.ColumnElement)]  # and no text
    values = [each for each in _returned(columns) if place_of(each) is not None]
    # Those that an expression reads outside of a subquery, such as coalesce().
    read = [part for each in values for part in parts_of(each) if isinstance(part, sa.Column) and place_of(part)]
    roots = {
        root for each in (*columns, *read, *Texts(select).in_list()) for root in each.base_columns
        if isinstance(root, sa.Column)
    }  # fmt: skip
    keyed = {table for table in {root.table for root in roots} if _has_key(table, roots)}
    for root in roots:
        place = place_of(root)
        if place is not None and not _has_key(place.table, roots):
            yield f"{operator} without a key of the table", root
    # A subquery in the list, or what one returns, belongs to a row that the list may have the key of.
    for each in values if not keyed else ():
        parts = list(parts_of(each))
        in_subquery = not any(isinstance(part, sa.Column) for part in (*parts, *each.base_columns))
        if in_subquery or any(isinstance(part, selectable.ScalarSelect) for part in parts):
            yield f"{operator} without a key of the table", each


def _returned(columns: Iterable[Any]) -> Iterator[Any]:
    """Return columns of a list, and what a CASE in them may return."""
    for each in columns:
        yield each
        if isinstance(each, elements.Grouping | elements.Label):
            yield from _returned([each.element])
        elif isinstance(each, elements.Case):
            yield from _returned([*(value for _, value in each.whens), each.else_])


def _has_key(table: Any, roots: Iterable[sa.Column[Any]]) -> bool:
    """Return whether columns include a key of a table."""
    fullname = getattr(table, "fullname", None)
    names = {each.name for each in roots if getattr(each.table, "fullname", None) == fullname}
    return isinstance(table, sa.Table) and any(key and key <= names for key in keys_of(table))


def keys_of(table: sa.Table) -> Iterator[set[str]]:
    """Return the names of the columns of each key of a table."""
    unique = (each for each in table.constraints if isinstance(each, sa.UniqueConstraint | sa.PrimaryKeyConstraint))
    for constraint in unique:
        yield {column.name for column in constraint.columns}
    for index in table.indexes:
        if index.unique:
            yield {column.name for column in index.columns}
