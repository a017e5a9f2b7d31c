"""The values of bound columns as a SELECT returns them, as far as their types say.

A ciphertext that is bound to another value than the row has does not open again.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


def python_type(type_: sa.types.TypeEngine[Any]) -> type[Any] | None:
    """Return the type in Python of a column's values; None where SQLAlchemy does not know it."""
    try:
        return type_.python_type
    except NotImplementedError:  # by each TypeDecorator before SQLAlchemy 2.1
        return python_type(type_.impl_instance) if isinstance(type_, sa.types.TypeDecorator) else None


def returned(type_: sa.types.TypeEngine[Any], value: Any, dialect: sa.Dialect) -> Any:
    """Return what a column of `type_` returns for `value`, or `value` itself where the type does not say."""
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
