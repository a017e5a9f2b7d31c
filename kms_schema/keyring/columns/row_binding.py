"""Binds values to columns of their row, in the unit of work of SQLAlchemy: elsewhere the type does not know the row.

Before an INSERT or UPDATE a value in an instance becomes a `BoundText` or `BoundBytes` with its associated data, which
is the same text or bytes to the application. The type encrypts such values only, so Core, bulk statements and
`update()` are refused. A value that is read is a `RowCiphertext` until the instance has its row.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from kms_schema.keyring.columns.encrypted_column import (
    INSTALL,
    BoundBytes,
    BoundText,
    RowCiphertext,
    place_of,
)
from kms_schema.keyring.columns.places import Place
from kms_schema.keyring.errors import ColumnError
from kms_schema.keyring.formats.errors import BoundValueError


def _places(mapper: orm.Mapper[Any]) -> list[Place]:
    """Return the places of a class that are bound to their row. A table may have columns of subclasses, too."""
    tables = [table for table in mapper.tables if isinstance(table, sa.Table)]
    columns = [column for table in tables for column in table.columns if mapper.columns.contains_column(column)]
    return [place for column in columns if (place := place_of(column)) and place.row]


def _constructed(mapper: orm.Mapper[Any], class_: type[Any]) -> None:
    places = _places(mapper)
    for place in places:
        _check(place)
        for name in place.row:
            # A value that is in the database still is read with the row there, also after an attribute was set.
            mapper.get_property_by_column(place.table.columns[name]).active_history = True  # type: ignore[attr-defined]
    if places:
        listeners: dict[str, Callable[..., None]] = {
            "before_insert": _before_insert, "before_update": _before_update, "after_insert": _written,
            "after_update": _written, "load": _loaded, "refresh": _refreshed,
        }  # fmt: skip
        for name, listener in listeners.items():
            sa.event.listen(class_, name, listener)


def _check(place: Place) -> None:
    """Raise `ColumnError` for a bound column whose value is not known before an INSERT, or changes by itself."""
    table = place.table
    for name in place.row:
        column = table.columns.get(name)
        if column is None or column.name != name:
            raise _error(place, f"is bound to column {name!r}, which its table does not have")
        default = column.default
        by_server = column.server_default is not None or column is table.autoincrement_column or column.computed
        if by_server or (default is not None and not (default.is_scalar or default.is_callable)):
            raise _error(
                place,
                f"is bound to column {name!r}, whose value the database makes: it has to be known before the INSERT."
                f" Give {name!r} a default in Python, such as uuid.uuid4, or autoincrement=False",
            )
        by_itself = column.onupdate is not None or column.server_onupdate is not None or place_of(column) is not None
        if by_itself or any(_changes(each) for each in column.foreign_keys):
            raise _error(place, f"is bound to column {name!r}, which changes by itself")


def _changes(foreign_key: sa.ForeignKey) -> bool:
    """Return whether a change or DELETE of the parent row changes the column."""
    actions = {(each or "NO ACTION").upper() for each in (foreign_key.onupdate, foreign_key.ondelete)}
    changing = {"SET NULL", "SET DEFAULT"}
    return bool(actions & changing) or (foreign_key.onupdate or "").upper() == "CASCADE"


def _keys(mapper: orm.Mapper[Any], place: Place) -> tuple[str, dict[str, str]]:
    """Return the attribute of a place, and for each bound column its attribute."""
    columns = place.table.columns
    key = mapper.get_property_by_column(place.column).key if place.column is not None else ""
    return key, {name: mapper.get_property_by_column(columns[name]).key for name in place.row}


class _NoContext:
    """Is given to the default of a bound column: there is no statement yet, as a function of a context asks for."""

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        raise _error(
            self._place,
            f"is bound to column {self._name!r}, whose default reads the statement: it has to be known before the"
            " INSERT. Give the instance a value",
        )


def _before_insert(mapper: orm.Mapper[Any], connection: sa.Connection, target: Any) -> None:
    for place in _places(mapper):
        key, bound = _keys(mapper, place)
        for name, attribute in bound.items():
            _take_default(place, place.table.columns[name], target, attribute)
        if place.column is not None:
            _take_default(place, place.column, target, key)
        if getattr(target, key) is None:  # in the row of an instance that is deleted, else its value would stay there
            setattr(target, key, None)
        _bind(place, connection, target, key, bound)


def _take_default(place: Place, column: sa.Column[Any], target: Any, attribute: str) -> None:
    """Give an attribute that is None the default of its column, as SQLAlchemy does when it writes the row."""
    default: Any = column.default
    if getattr(target, attribute) is None and default is not None and (default.is_callable or default.is_scalar):
        made = default.arg(_NoContext(place, column.name)) if default.is_callable else default.arg
        setattr(target, attribute, made)


def _before_update(mapper: orm.Mapper[Any], connection: sa.Connection, target: Any) -> None:
    for place in _places(mapper):
        key, bound = _keys(mapper, place)
        state = sa.inspect(target)
        if any(state.attrs[attribute].history.has_changes() for attribute in bound.values()):
            getattr(target, key)  # it is read with the row that the database still has
            orm.attributes.flag_modified(target, key)
        if state.attrs[key].history.has_changes() or key in state.committed_state:
            _bind(place, connection, target, key, bound)


def _bind(place: Place, connection: sa.Connection, target: Any, key: str, bound: dict[str, str]) -> None:
    value = getattr(target, key)
    if value is None or hasattr(value, "__clause_element__") or isinstance(value, sa.ClauseElement):
        return  # NULL, or an expression, which is refused when the statement is executed
    kind = BoundText if place.value_type is str else BoundBytes
    place.encoded(value)  # refuses another type
    orm.base.instance_dict(target)[key] = kind.of(value, place, _aad_of(place, connection, target, bound))


def _aad_of(place: Place, connection: sa.Connection, target: Any, bound: dict[str, str]) -> bytes:
    row = {}
    for name, attribute in bound.items():
        column = place.table.columns[name]
        row[name] = _checked(place, column, getattr(target, attribute), connection.dialect)
    return _aad(place, row)


def _checked(place: Place, column: sa.Column[Any], value: Any, dialect: sa.Dialect) -> Any:
    """Return the value of a bound column, if it will come back from the database as it is."""
    if value is None and (column.primary_key or not column.nullable):
        raise _error(place, f"is bound to column {column.name!r}, whose value is not known before the INSERT")
    kind = python_type(column.type)
    if kind is None:
        raise _error(place, f"is bound to column {column.name!r}, whose type has no type in Python")
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool)):
        raise _error(place, f"is bound to column {column.name!r}, which takes {kind.__name__}: {type(value).__name__}")
    if dialect.name == "sqlite" and getattr(column.type, "timezone", False):
        raise _error(place, f"is bound to column {column.name!r}, whose zone SQLite does not store")
    back = returned(column.type, value, dialect)
    if back is not value and _aad(place, {column.name: back}) != _aad(place, {column.name: value}):
        raise _error(
            place,
            f"is bound to column {column.name!r}, which does not return this {type(value).__name__} as given. Give"
            " a time with a zone to a column with one only, no datetime to a column of dates, and a UUID as a text in"
            " lower case with hyphens",
        )
    return value


def _aad(place: Place, row: dict[str, Any]) -> bytes:
    try:
        return place.aad(row)
    except BoundValueError as error:
        raise _error(place, f"cannot be bound to its row: {error}") from None


def _written(mapper: orm.Mapper[Any], connection: sa.Connection, target: Any) -> None:
    """Give the instance its plain text or bytes again. Refuse a row that became another one since it was bound."""
    values = orm.base.instance_dict(target)
    for place in _places(mapper):
        key, bound = _keys(mapper, place)
        value = values.get(key)
        if isinstance(value, BoundText | BoundBytes):
            values[key] = value.plain()
            # A listener of the application that comes after ours may change it, and so does a counter of versions.
            if value.aad != _aad_of(place, connection, target, bound):
                raise _error(place, f"is bound to {', '.join(place.row)}, which changed while the row was written")


def _refreshed(target: Any, context: Any, _attributes: Any) -> None:
    _loaded(target, context)


def _loaded(target: Any, _context: Any) -> None:
    """Open what was read, with the row as the database has it: without changes that are not flushed yet."""
    state, values = sa.inspect(target), orm.base.instance_dict(target)
    for place in _places(state.mapper):
        key, bound = _keys(state.mapper, place)
        sealed = values.get(key)
        if not isinstance(sealed, RowCiphertext):
            continue
        row = {}
        for name, attribute in bound.items():
            value = state.committed_state.get(attribute, values.get(attribute, orm.base.NO_VALUE))
            if value in (orm.base.NO_VALUE, orm.base.NEVER_SET):
                raise _error(place, f"is bound to column {name!r}, which is not loaded: load it, too")
            row[name] = value
        orm.attributes.set_committed_value(target, key, sealed.open(row))


def _error(place: Place, sentence: str) -> ColumnError:
    return ColumnError(f"column {place.name} {sentence}", key_id=place.key_id, reason="row_binding")


@cache
def install() -> None:
    """Listen for mappers, once."""
    sa.event.listen(orm.Mapper, "after_mapper_constructed", _constructed)


def python_type(type_: sa.types.TypeEngine[Any]) -> type[Any] | None:
    """Return the type in Python of a column's values; None where SQLAlchemy does not know it."""
    try:
        return type_.python_type
    except NotImplementedError:  # by each TypeDecorator before SQLAlchemy 2.1
        return python_type(type_.impl_instance) if isinstance(type_, sa.types.TypeDecorator) else None


def returned(type_: sa.types.TypeEngine[Any], value: Any, dialect: sa.Dialect) -> Any:
    """Return the value that a column of `type_` returns for `value`, or `value` itself where the type does not say."""
    if isinstance(type_, sa.types.TypeDecorator):
        return _decorated(type_, value, dialect)
    if isinstance(type_, sa.Uuid) and not type_.as_uuid and isinstance(value, str):
        return _spelled(value)
    if isinstance(type_, sa.Date) and isinstance(value, datetime):
        return value.date()
    if isinstance(type_, sa.DateTime) and isinstance(value, datetime):
        return _with_zone(value, bool(type_.timezone))
    return value


def _decorated(type_: sa.types.TypeDecorator[Any], value: Any, dialect: sa.Dialect) -> Any:
    """Return what a type of an application makes of a value on its way to the database and back."""
    kind, base = type(type_), sa.types.TypeDecorator
    if kind.process_bind_param is not base.process_bind_param:
        value = type_.process_bind_param(value, dialect)
    value = returned(type_.impl_instance, value, dialect)
    if kind.process_result_value is not base.process_result_value:
        value = type_.process_result_value(value, dialect)
    return value


def _with_zone(value: datetime, has_zone: bool) -> datetime:
    return value if (value.utcoffset() is not None) is has_zone else value.replace(tzinfo=UTC if has_zone else None)


def _spelled(text: str) -> str | None:
    """Return a UUID as engines do, which accept other spellings; None for another text."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


INSTALL.append(install)
