"""The declarative base, and the column types and storage checks that all tables share."""

import datetime as dt
import uuid
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from kms_schema.models.envelopes import EnvelopeBytes
from kms_schema.reading.times import SQLITE_NOW, time_of, time_to_text

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "idx_%(table_name)s_%(column_0_N_name)s",
}
"""For `sqlalchemy.MetaData`. PostgreSQL truncates names at 63 bytes; a test checks that every name is shorter."""


class Base(DeclarativeBase):
    """The declarative base of all models; `alembic check` compares `Base.metadata`."""

    metadata: ClassVar[sa.MetaData] = sa.MetaData(naming_convention=NAMING_CONVENTION)

    shown: ClassVar[tuple[str, ...]] = ()
    """The attributes in the `repr`; the primary key if the tuple is empty. Never bytes, documents or texts of users."""

    def __repr__(self) -> str:
        """Show what names the row, as far as it is loaded: a log or a traceback must not run a query."""
        loaded = sa.inspect(self).dict
        names = self.shown or [column.key for column in sa.inspect(type(self)).primary_key]
        parts = [f"{name}={_spelled(loaded[name])}" for name in names if name in loaded]
        return f"<{' '.join((type(self).__name__, *parts))}>"


def _spelled(value: object) -> str:
    return repr(value) if isinstance(value, str) and not isinstance(value, StrEnum) else str(value)


def check_is_aware(name: str, value: object) -> None:
    """Raise `TypeError` unless a value is None or a `datetime`, and `ValueError` for one without a time zone."""
    if value is None:
        return
    if not isinstance(value, dt.datetime):
        raise TypeError(f"{name} takes a datetime, not {type(value).__name__}")
    if value.tzinfo is None:
        raise ValueError(f"{name} has no time zone, so that it is ambiguous: pass an aware datetime")


class UtcTimestamp(TypeDecorator[dt.datetime]):
    """A point in time: `timestamptz` on PostgreSQL, `YYYY-MM-DDTHH:MM:SS.ffffffZ` text on SQLite.

    Accepts aware `datetime` objects and returns them in UTC. A naive `datetime` is ambiguous and raises `ValueError`.
    """

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = sa.DateTime
    cache_ok: bool | None = True
    autogenerate_as: ClassVar[str] = "DateTime(timezone=True).with_variant({sa}Text(), 'sqlite')"

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Return the column type of this engine."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> Any:
        """Return the stored value of an aware `datetime`. Raises `ValueError` for a naive one."""
        if value is None:
            return None
        check_is_aware("a column of times", value)
        return time_to_text(value) if dialect.name == "sqlite" else value.astimezone(dt.UTC)

    def process_result_value(self, value: Any, _dialect: sa.Dialect) -> dt.datetime | None:
        """Return a stored value as an aware `datetime` in UTC."""
        if value is None:
            return None
        return time_of(value)


JsonDocument: sa.JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
"""`jsonb` on PostgreSQL, checked text on SQLite; `None` is SQL NULL, never JSON `null`."""


class new_id(FunctionElement[uuid.UUID]):  # noqa: N801  (named like an SQL function)
    """A time-ordered UUID (RFC 9562 version 7) made by the database."""

    type: TypeEngine[uuid.UUID] = sa.Uuid()
    inherit_cache: bool | None = True


class current_time(FunctionElement[dt.datetime]):  # noqa: N801  (named like an SQL function)
    """The current time of the database, in the stored format of the engine."""

    type: TypeEngine[dt.datetime] = UtcTimestamp()
    inherit_cache: bool | None = True


SQLITE_NEW_ID = (
    "lower(printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)) || '7'"
    " || substr(hex(randomblob(2)), 2) || substr('89ab', 1 + (random() & 3), 1)"
    " || substr(hex(randomblob(8)), 2))"
)


@compiles(new_id, "postgresql")
def _new_id_postgresql(_element: new_id, _compiler: Any, **_kw: Any) -> str:
    return "kms_uuidv7()"


@compiles(new_id, "sqlite")
def _new_id_sqlite(_element: new_id, _compiler: Any, **_kw: Any) -> str:
    return f"({SQLITE_NEW_ID})"


@compiles(current_time, "postgresql")
def _current_time_postgresql(_element: current_time, _compiler: Any, **_kw: Any) -> str:
    return "now()"


@compiles(current_time, "sqlite")
def _current_time_sqlite(_element: current_time, _compiler: Any, **_kw: Any) -> str:
    return f"({SQLITE_NOW})"


def vocabulary_column(words: type[StrEnum]) -> sa.Enum:
    """Return the column type of an enumeration: text of up to 30 characters; in Python, members of `words`."""
    return sa.Enum(
        words,
        native_enum=False,
        create_constraint=False,  # the tables name their own checks
        length=30,
        values_callable=lambda members: [str(member) for member in members],
    )


def one_of(column: str, words: type[StrEnum]) -> str:
    """Return the SQL condition that `column` contains one of `words`."""
    return f"{column} IN ({', '.join(repr(str(word)) for word in words)})"


Id = Annotated[uuid.UUID, mapped_column(sa.Uuid, primary_key=True, server_default=new_id())]
Timestamp = Annotated[dt.datetime, mapped_column(UtcTimestamp)]
FilledTimestamp = Annotated[dt.datetime, mapped_column(UtcTimestamp, server_onupdate=sa.FetchedValue())]
"""A time that a trigger may set on UPDATE; sessions fetch it after a flush."""
CreatedAt = Annotated[dt.datetime, mapped_column(UtcTimestamp, server_default=current_time())]
Counter = Annotated[int, mapped_column(sa.BigInteger, server_default=sa.text("0"))]
Document = Annotated[dict[str, Any], mapped_column(JsonDocument)]
Words = Annotated[list[str], mapped_column(JsonDocument)]
Channels = Annotated[dict[str, Any] | list[Any], mapped_column(JsonDocument)]


MOST_COUNTED = 10**15
"""The maximum of a counter, and of the use of a key over all versions: a million uses in each second of 31 years.

A client that sets a counter to the maximum must not break sums: a bigint holds 9,223 of these.
"""
MOST_BYTES = 2**53
"""The maximum of a count of bytes, 8 PiB: the greatest number up to which doubles, and so JSON, hold every integer."""


def check(name: str, condition: str) -> sa.CheckConstraint:
    """Return a CHECK constraint that is the same on both engines."""
    return sa.CheckConstraint(condition, name=name)


def counted(column: str, *, least: int = 0, most: int = MOST_COUNTED) -> sa.CheckConstraint:
    """Return the check that a counter, or a limit of one, is at least `least` and at most `most`."""
    return check(f"{column}_range", f"{column} BETWEEN {least} AND {most}")


def check_per_engine(name: str, *, postgresql: str, sqlite: str) -> tuple[sa.CheckConstraint, sa.CheckConstraint]:
    """Return one CHECK constraint with a condition for each engine."""
    return (
        sa.CheckConstraint(postgresql, name=name).ddl_if(dialect="postgresql"),
        sa.CheckConstraint(sqlite, name=name).ddl_if(dialect="sqlite"),
    )


def not_blank(column: str) -> tuple[sa.CheckConstraint, sa.CheckConstraint]:
    """Return the check that `column` contains more than white space."""
    return check_per_engine(
        f"{column}_not_blank",
        postgresql=f"btrim({column}, E' \\t\\n\\r') <> ''",
        sqlite=f"trim({column}, char(9, 10, 13, 32)) <> ''",
    )


def json_shape(column: str, *shapes: str) -> tuple[sa.CheckConstraint, sa.CheckConstraint]:
    """Return the check that a JSON column contains one of `shapes`: an `object`, an `array`."""
    words = ", ".join(map(repr, shapes))
    is_one = f"IN ({words})" if len(shapes) > 1 else f"= {words}"
    return check_per_engine(
        f"{column}_is_{'_or_'.join(shapes)}",
        postgresql=f"jsonb_typeof({column}) {is_one}",
        sqlite=f"CASE WHEN json_valid({column}) THEN json_type({column}) {is_one} ELSE {column} IS NULL END",
    )


def hexadecimal_digest(column: str) -> tuple[sa.CheckConstraint, sa.CheckConstraint]:
    """Return the check that `column` contains 64 lower-case hexadecimal digits."""
    return check_per_engine(
        f"{column}_is_sha256",
        postgresql=f"{column} ~ '^[0-9a-f]{{64}}$'",
        sqlite=f"length({column}) = 64 AND {column} NOT GLOB '*[^0-9a-f]*'",
    )


_SQLITE_TIMESTAMP = "{digit}-{two}-{two}T{two}:{two}:{two}.{digit}{two}Z".format(digit="[0-9]" * 4, two="[0-9]" * 2)

# PostgreSQL refuses a NUL in text. On SQLite length(), GLOB and json_valid() stop at a NUL.
_SQLITE_TEXT = "typeof({0}) = 'text' AND instr({0}, char(0)) = 0"

# The check of each column type on SQLite, which does not enforce types (STRICT tables require 3.37). The first matching
# type applies.
_STORAGE_CONDITIONS: tuple[tuple[type[sa.types.TypeEngine[Any]], str], ...] = (
    # datetime() normalizes a day or an hour that does not exist (30 February, 24:00). '+0 days' forces the computation,
    # since before 3.46 it returns its argument unchanged. There is no year 0.
    (
        UtcTimestamp,
        f"{_SQLITE_TEXT} AND {{0}} GLOB '{_SQLITE_TIMESTAMP}' AND {{0}} > '0001'"
        " AND datetime(substr({0}, 1, 19), '+0 days') IS replace(substr({0}, 1, 19), 'T', ' ')",
    ),
    (sa.Uuid, f"{_SQLITE_TEXT} AND length({{0}}) = 32 AND {{0}} NOT GLOB '*[^0-9a-f]*'"),
    (sa.Date, f"{_SQLITE_TEXT} AND {{0}} > '0001' AND date({{0}}, '+0 days') IS {{0}}"),
    (sa.Boolean, "{0} IN (0, 1)"),
    (sa.BigInteger, "typeof({0}) = 'integer'"),
    (sa.Integer, "typeof({0}) = 'integer' AND {0} BETWEEN -2147483648 AND 2147483647"),
    (sa.Double, "typeof({0}) = 'real'"),
    (sa.JSON, f"{_SQLITE_TEXT} AND json_valid({{0}})"),
    (EnvelopeBytes, "typeof({0}) = 'blob'"),
    (sa.LargeBinary, "typeof({0}) = 'blob'"),
    (sa.String, _SQLITE_TEXT),
)


def storage_condition(column: sa.Column[Any]) -> str:
    """Return the condition that SQLite stores in `column` only values that PostgreSQL's type would accept."""
    kind = column.type
    condition = next(
        condition.format(column.name) for known, condition in _STORAGE_CONDITIONS if isinstance(kind, known)
    )
    if isinstance(kind, sa.String) and kind.length is not None:
        condition += f" AND length({column.name}) <= {kind.length}"
    return f"{column.name} IS NULL OR ({condition})" if column.nullable else condition


_POSTGRESQL_TIMES = "'0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'"
"""The times that SQLite and `datetime` can store. A guard trigger checks the times of the audit log."""


def add_storage_checks(tables: Iterable[sa.Table]) -> None:
    """Add the storage check of every column on SQLite.

    On PostgreSQL the column type enforces it, except that a `timestamptz` may be infinite, BC, or after the year 9999.
    """
    for table in tables:
        for column in table.columns:
            name = f"{column.name}_type"
            constraint = sa.CheckConstraint(storage_condition(column), name=name)
            table.append_constraint(constraint.ddl_if(dialect="sqlite"))
            if isinstance(column.type, UtcTimestamp) and table.name != "key_audit_logs":
                times = sa.CheckConstraint(f"{column.name} BETWEEN {_POSTGRESQL_TIMES}", name=name)
                table.append_constraint(times.ddl_if(dialect="postgresql"))
