"""Refuses statements that a column type cannot refuse itself, and takes values out of errors.

The listeners are on all engines of the process from the first `attach` on. A statement is looked at once, when it was
compiled; afterwards that costs a look into a set.
"""

import weakref
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import elements, selectable, visitors
from sqlalchemy.sql.dml import Insert, Update

from kms_schema.keyring.columns.comparisons import compared, keys_of
from kms_schema.keyring.columns.encrypted_column import place_of, refused_operator
from kms_schema.keyring.columns.places import RINGS, Place
from kms_schema.keyring.errors import ColumnError

_CHECKED: "weakref.WeakSet[Any]" = weakref.WeakSet()


@cache
def install() -> None:
    """Install the checks of statements, once in a process."""
    sa.event.listen(sa.Engine, "before_cursor_execute", _before_cursor_execute)
    sa.event.listen(sa.Engine, "handle_error", _handle_error)


def _before_cursor_execute(
    _connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _is_many: bool
) -> None:
    compiled = getattr(context, "compiled", None)
    if compiled is None or compiled in _CHECKED:
        return
    # That of the compile state has what the ORM adds, such as the joins of joinedload() with their order.
    for statement in (compiled.statement, getattr(getattr(compiled, "compile_state", None), "statement", None)):
        if isinstance(statement, elements.ClauseElement):
            check(statement, getattr(compiled, "column_keys", None) or ())
    _CHECKED.add(compiled)


def check(statement: elements.ClauseElement, names: Sequence[str] = ()) -> None:
    """Raise `ColumnError` for a statement that compares, orders or groups by an encrypted column, or writes it.

    Written are bound values, which the type encrypts, NULL, and values of the same column; not SQL expressions. `names`
    are the columns that the parameters name.
    """
    for element in visitors.iterate(statement):
        if isinstance(element, Insert | Update):
            _check_values(element, names if element is statement else ())
        for operator, column in compared(element):
            raise refused_operator(column.type, operator)


def _check_values(statement: Any, names: Sequence[str]) -> None:
    table = statement.table
    given: list[tuple[Any, Any]] = list((statement._values or {}).items())
    given += getattr(statement, "_ordered_values", None) or ()
    in_rows: list[tuple[Any, Any]] = []
    for several in statement._multi_values:
        for row in several:
            in_rows += row.items() if isinstance(row, dict) else zip(table.columns, row, strict=False)
    if isinstance(statement, Insert) and statement.select is not None:
        names = statement._select_names or [column.key for column in table.columns]
        for columns in _selected(statement.select):
            in_rows += zip(names, columns, strict=False)
    given += in_rows
    updates = (
        getattr(statement._post_values_clause, "update_values_to_set", ()) if isinstance(statement, Insert) else ()
    )
    changes = list(updates if isinstance(updates, list | tuple) else updates.items())
    changed = changes if isinstance(statement, Insert) else [*given, *((name, None) for name in names)]
    _check_bound_columns(table, {getattr(name, "key", name) for name, _ in changed})
    for name, value in [*given, *changes]:
        place = _place_in(table, name)
        if place is not None and not _is_bound(value, place):
            raise _refused_expression(place)
    for name, value in in_rows:
        place = _place_in(table, name)
        # The compiler gives such a parameter the type of its column neither in lists of rows nor in a SELECT.
        if place is not None and _lacks_type(value, place):
            raise _refused_expression(place)
    for column in table.columns:
        place = place_of(column)
        if place is not None and _made_by_sql(column):
            raise _refused_expression(place)
        if place is not None and any(column.name in key for key in keys_of(column.table)):
            raise ColumnError(
                f"column {place.name} is encrypted, and is in a key of its table: equal values would be accepted, since"
                " no two ciphertexts are the same. Take it out of the primary key, UNIQUE or index",
                key_id=place.key_id,
                reason="operator",
            )


def _place_in(table: Any, name: Any) -> Place | None:
    return place_of(table.columns.get(name) if isinstance(name, str) else name)


def _refused_expression(place: Place) -> ColumnError:
    return ColumnError(
        f"column {place.name} is encrypted: give it a value or NULL, not an SQL expression or a default of the"
        " database, which would write plaintext; a parameter in a SELECT has to have the type of the column",
        key_id=place.key_id,
        reason="operator",
    )


def _made_by_sql(column: Any) -> bool:
    """Return whether a default of a column is SQL, which the type does not encrypt."""
    defaults = [each for each in (column.default, column.onupdate) if each is not None]
    return (
        column.server_default is not None
        or column.server_onupdate is not None
        or not all(each.is_scalar or each.is_callable for each in defaults)
    )


def _selected(select: Any) -> Iterator[Any]:
    """Return the columns of a select, or of each that is united in it: those of a union name the first one's only."""
    if isinstance(select, selectable.CompoundSelect):
        for each in select.selects:
            yield from _selected(each)
    elif isinstance(select, selectable.SelectStatementGrouping):
        yield from _selected(select.element)
    else:
        yield select._all_selected_columns  # with those that are text, which keep the places of the others


def _check_bound_columns(table: Any, changed: set[Any]) -> None:
    """Raise `ColumnError` for an update of a column that others are bound to, unless it changes these as well."""
    for column in table.columns:
        place = place_of(column)
        if place is not None and column.key not in changed and changed.intersection(place.row):
            raise ColumnError(
                f"column {place.name} is bound to {', '.join(place.row)} of its row: change these by instances of a"
                " mapped class, which encrypt it again",
                key_id=place.key_id,
                reason="row_binding",
            )


def _is_bound(value: Any, place: Place) -> bool:
    """Return whether a value reaches the type of the column, is NULL, or is of the same column, of any row."""
    if isinstance(value, elements.Null):
        return True
    if not isinstance(value, elements.ClauseElement):
        return not hasattr(value, "__clause_element__") or _is_bound(value.__clause_element__(), place)
    if isinstance(value, elements.Grouping):  # a parameter in it gets no type from the compiler
        return not _lacks_type(value.element, place) and _is_bound(value.element, place)
    if isinstance(value, elements.BindParameter):
        # The compiler gives one without a type that of the column.
        return isinstance(value.type, sa.types.NullType) or place_of(value) is place
    if place.row or not isinstance(value, elements.ColumnClause | elements.Label):
        return False  # a value that is bound to its row does not open in another one
    # The type of a subquery's column or of a label says nothing: coalesce() has that of its first argument.
    return all(isinstance(each, sa.Column) and place_of(each) is place for each in value.base_columns)


def _lacks_type(value: Any, place: Place) -> bool:
    return isinstance(value, elements.BindParameter) and place_of(value) is not place


def _handle_error(context: Any) -> None:
    """Take the parameters out of an error that was raised before they were encrypted, as of another column's type."""
    error = context.sqlalchemy_exception
    if context.execution_context is None and isinstance(error, sa.exc.StatementError) and _is_ours(error.statement):
        error.params = None
        error.hide_parameters = True


def _is_ours(statement: str | None) -> bool:
    """Return whether a statement may be about an encrypted column: its text has the name of one, or of its table."""
    text = (statement or "").casefold()
    return any(
        column.name.casefold() in text or table.name.casefold() in text
        for metadata in list(RINGS)
        for table in list(metadata.tables.values())
        for column in table.columns
        if place_of(column) is not None
    )
