"""A column of an application that holds ciphertexts: where it is, how many it holds, and its rows in pages."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from kms_schema.keyring.errors import ColumnError
from kms_schema.keyring.formats.prefix import Form, write_prefix
from kms_schema.models.keys import ANYWHERE
from kms_schema.text.identifiers import quoted

RowKey = tuple[Any, ...]
"""The values of a row's primary key, as the driver returns them."""

RANGES = 150
"""The versions in a statement, each with one range or two: SQLite has at most 999 parameters and 1,000 levels of an
expression in old versions."""
_FIND_SCHEMA = sa.text(
    "SELECT n.nspname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(pg_catalog.quote_ident(CAST(:table AS text)))"
)


_MOST_BYTES_OF_AN_ENTRY = 2704
"""Of a B-tree of PostgreSQL, a third of a page. Ciphertexts cannot be compressed, so they count in full."""


_ARRAYS: Mapping[type, sa.types.TypeEngine[Any]] = {int: sa.BigInteger(), uuid.UUID: sa.Uuid()}
"""The types of values of which PostgreSQL takes an array. Texts may be of an enumeration, for example."""


def _array(type_: sa.types.TypeEngine[Any], values: Sequence[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(None, values, type_=sa.ARRAY(type_), unique=True)


class RawType(sa.types.UserDefinedType[Any]):
    """A type whose values pass through as the driver has them.

    A type of SQLAlchemy could return a time of SQLite in another spelling, which no row has, and cast on PostgreSQL.
    """

    cache_ok: bool | None = True


@dataclass(frozen=True)
class ColumnName:
    """The name of a column; without a schema the search path decides on PostgreSQL."""

    table: str
    column: str
    schema: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ColumnName":
        """Return the name in `TABLE.COLUMN` or `SCHEMA.TABLE.COLUMN`. Raises `ValueError`."""
        parts = text.split(".")
        if len(parts) not in (2, 3) or not all(part.strip() for part in parts):
            raise ValueError(f"{text!r} is no column: write TABLE.COLUMN or SCHEMA.TABLE.COLUMN")
        return cls(parts[-2], parts[-1], parts[0] if len(parts) == 3 else None)

    def __str__(self) -> str:
        """Return the name with dots."""
        return ".".join(part for part in (self.schema, self.table, self.column) if part)

    @property
    def is_elsewhere(self) -> bool:
        """True for `ELSEWHERE`, which is no column."""
        return self.table == self.column == ANYWHERE

    def document(self, dialect: str) -> dict[str, str]:
        """Return the element of `key_masters.encrypted_columns`, which has no schema on SQLite."""
        names = {"schema": self.schema or "", "table": self.table, "column": self.column}
        return {name: value for name, value in names.items() if name != "schema" or dialect != "sqlite"}

    def resolved(self, connection: sa.Connection) -> "ColumnName":
        """Return the name with its schema on PostgreSQL. Raises `ColumnError` (`host`) if there is no such table."""
        if self.schema is not None or connection.dialect.name != "postgresql":
            return self
        schema = connection.execute(_FIND_SCHEMA, {"table": self.table}).scalar_one_or_none()
        if schema is None:
            raise ColumnError(f"there is no table {self.table!r} on the search path: name its schema", reason="host")
        return ColumnName(self.table, self.column, schema)

    def resolved_by(self, engine: sa.Engine) -> "ColumnName":
        """Return the name with its schema, by the search path that the application gives its connections.

        Transactions of the ring have another path. Raises as `resolved` does.
        """
        if self.schema is not None or engine.dialect.name != "postgresql":
            return self
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            return self.resolved(connection)


ELSEWHERE = ColumnName(ANYWHERE, ANYWHERE, ANYWHERE)
"""Stored with a key like a column: a process has encrypted with it for a caller, who may have put that anywhere."""


def count_of(connection: sa.Connection, name: ColumnName, tag: int) -> int:
    """Return how many rows of a column hold messages of a version."""
    column = sa.column(name.column, RawType())
    table = sa.table(name.table, column, schema=name.schema)
    low, high = prefix_range(tag)
    query = sa.select(sa.func.count()).select_from(table)
    return connection.execute(query.where(table.c[column.name] >= low, table.c[column.name] < high)).scalar_one()


def prefix_range(tag: int, form: Form = Form.MESSAGE) -> tuple[bytes, bytes]:
    """Return the first bytes of ciphertexts of a version, and of what sorts after them."""
    low = write_prefix(form, tag)
    return low, (int.from_bytes(low, "big") + 1).to_bytes(len(low), "big")


@dataclass(frozen=True)
class HostColumn:
    """A column of a table with a primary key."""

    name: ColumnName
    key: tuple[str, ...]
    row: tuple[str, ...] = ()
    row_types: Mapping[str, sa.types.TypeEngine[Any]] = field(default_factory=dict)
    has_index: bool = False
    """True if an index begins with the column."""
    is_postgresql: bool = False

    @classmethod
    def find(
        cls,
        connection: sa.Connection,
        name: ColumnName,
        row: Mapping[str, sa.types.TypeEngine[Any] | None] | None = None,
    ) -> "HostColumn":
        """Return the column that the database has. `row`: the columns that its values are bound to, with their types.

        Raises `ColumnError` (`host`) if it does not exist, if it is generated, or if its table has no primary key.
        """
        row = row or {}
        name = name.resolved(connection)
        inspector = sa.inspect(connection)
        try:
            columns: dict[str, Any] = {each["name"]: each for each in inspector.get_columns(name.table, name.schema)}
            key: list[str] = inspector.get_pk_constraint(name.table, name.schema)["constrained_columns"]
        except sa.exc.NoSuchTableError:
            raise ColumnError(
                f"there is no table {name.schema + '.' if name.schema else ''}{name.table}: name the column as"
                " TABLE.COLUMN or SCHEMA.TABLE.COLUMN",
                reason="host",
            ) from None
        missing = [each for each in (name.column, *row) if each not in columns]
        if missing:
            raise ColumnError(f"table {name.table} has no column {missing[0]!r}", reason="host")
        if columns[name.column].get("computed"):
            raise ColumnError(f"column {name} is generated: re-encrypt the column that it is made of", reason="host")
        if not key:
            raise ColumnError(
                f"table {name.table} has no primary key, by which its rows could be changed", reason="host"
            )
        types = {each: type_ or columns[each]["type"] for each, type_ in row.items()}
        indexes: list[list[Any]] = [each["column_names"] for each in inspector.get_indexes(name.table, name.schema)]
        has_index = any(names[:1] == [name.column] for names in (*indexes, key))
        return cls(name, tuple(key), tuple(row), types, has_index, connection.dialect.name == "postgresql")

    @cached_property
    def table(self) -> sa.TableClause:
        """The table, for statements."""
        # Each column once: a bound column may be one of the primary key, and is read with its type then, too.
        names = dict.fromkeys((self.name.column, *self.key, *self.row))
        return sa.table(self.name.table, *(sa.column(each, RawType()) for each in names), schema=self.name.schema)

    def holds(self, tag: int) -> sa.ColumnElement[bool]:
        """Return the condition of rows with ciphertexts of a version: a range, which an index on the column serves."""
        low, high = prefix_range(tag)
        column = self.table.c[self.name.column]
        return sa.and_(column >= low, column < high)

    def page(self, connection: sa.Connection, tag: int, size: int, after: RowKey | None) -> list[sa.Row[Any]]:
        """Return rows with ciphertexts of a version, in the order of the primary key, after a given key."""
        query = self._rows().where(self.holds(tag)).order_by(*self._keys()).limit(size)
        if after is not None and len(after) == 1:
            query = query.where(self._keys()[0] > after[0])
        elif after is not None:
            query = query.where(sa.tuple_(*self._keys()) > sa.tuple_(*(sa.literal(part, RawType()) for part in after)))
        return list(connection.execute(query))

    def streams(self, connection: sa.Connection, tags: Sequence[int], most: int) -> tuple[int, list[RowKey]]:
        """Return how many rows have streams of versions, and the primary keys of at most `most` of them."""
        column, total, keys = self.table.c[self.name.column], 0, list[RowKey]()
        for start in range(0, len(tags), RANGES):
            ranges = (prefix_range(tag, Form.STREAM) for tag in tags[start : start + RANGES])
            are_streams = sa.or_(*(sa.and_(column >= low, column < high) for low, high in ranges))
            query = sa.select(*self._keys()).where(are_streams).order_by(*self._keys()).limit(most)
            found = [tuple(row) for row in connection.execute(query)]
            keys += found[: most - len(keys)]
            if len(found) == most:
                query = sa.select(sa.func.count()).select_from(self.table).where(are_streams)
                total += connection.execute(query).scalar_one()
            else:
                total += len(found)
        return total, keys

    def locked(self, connection: sa.Connection, keys: Sequence[RowKey]) -> list[sa.Row[Any]]:
        """Lock the rows with these primary keys and return them, without rows that another session has locked."""
        query = self._rows().where(self._among(keys)).order_by(*self._keys())
        return list(connection.execute(query.with_for_update(key_share=True, skip_locked=True)))

    def read_back(self, connection: sa.Connection, keys: Sequence[RowKey]) -> dict[RowKey, bytes]:
        """Return the values in the rows with these primary keys."""
        found = connection.execute(self._rows().where(self._among(keys)))
        return {self.key_of(each): self.blob_of(each) for each in found}

    def replace(self, connection: sa.Connection, changes: Sequence[tuple[RowKey, bytes, bytes]]) -> None:
        """Give rows another ciphertext where they still have the old one: primary key, old, new."""
        table = self.table
        if (keys := self._as_array([key for key, _, _ in changes])) is not None:
            blobs = (_array(sa.LargeBinary(), [change[part] for change in changes]) for part in (1, 2))
            # PostgreSQL takes the name of unnest for several arrays without a schema only, and for its own function.
            given = sa.func.unnest(keys, *blobs).table_valued("key", "old", "new")
            given = given.render_derived(name="given")
            of_row = sa.and_(self._keys()[0] == given.c.key, table.c[self.name.column] == given.c.old)
            connection.execute(sa.update(table).values({self.name.column: given.c.new}).where(of_row))
            return
        statement = sa.update(table).values({self.name.column: sa.bindparam("new", type_=RawType())})
        statement = statement.where(table.c[self.name.column] == sa.bindparam("old", type_=RawType()))
        statement = statement.where(*(table.c[each] == sa.bindparam(f"key_{n}") for n, each in enumerate(self.key)))
        values = [
            {"old": old, "new": new, **{f"key_{n}": part for n, part in enumerate(key)}} for key, old, new in changes
        ]
        connection.execute(statement, values)

    def key_of(self, row: sa.Row[Any]) -> RowKey:
        """Return the primary key of a row of `page` or `locked`."""
        return tuple(row[: len(self.key)])

    def blob_of(self, row: sa.Row[Any]) -> bytes:
        """Return the ciphertext of a row."""
        return bytes(row[len(self.key)])

    def bound_of(self, row: sa.Row[Any]) -> dict[str, Any]:
        """Return the bound columns of a row."""
        return dict(zip(self.row, row[len(self.key) + 1 :], strict=True))

    def described(self, key: RowKey) -> str:
        """Return the primary key of a row, for a message."""
        return ", ".join(f"{name}={part!r}" for name, part in zip(self.key, key, strict=True))

    def index(self) -> str | None:
        """Return the statement that makes an index for the ranges of `holds`; None if the column has one."""
        if self.has_index:
            return None
        name = f"idx_{self.name.table}_{self.name.column}"[:60]
        schema = f"{quoted(self.name.schema)}." if self.name.schema else ""
        how = " CONCURRENTLY" if self.is_postgresql else ""
        return f"CREATE INDEX{how} {quoted(name)} ON {schema}{quoted(self.name.table)} ({quoted(self.name.column)});"

    @property
    def index_bytes(self) -> int | None:
        """The greatest entry of that index; None where it has no limit, or is not offered."""
        return _MOST_BYTES_OF_AN_ENTRY if self.is_postgresql and not self.has_index else None

    def _keys(self) -> list[sa.ColumnElement[Any]]:
        return [self.table.c[each] for each in self.key]

    def _rows(self) -> sa.Select[Any]:
        bound = [sa.type_coerce(self.table.c[each], self.row_types[each]).label(f"row_{each}") for each in self.row]
        return sa.select(*self._keys(), self.table.c[self.name.column], *bound)

    def _as_array(self, keys: Sequence[RowKey]) -> sa.BindParameter[Any] | None:
        """Return the primary keys as one parameter, if PostgreSQL compares all columns that have such values with it.

        A parameter for each costs the driver more than the row.
        """
        kinds = {type(part) for key in keys for part in key} if self.is_postgresql and len(self.key) == 1 else set()
        type_ = _ARRAYS.get(kinds.pop()) if len(kinds) == 1 else None
        return None if type_ is None else _array(type_, [key[0] for key in keys])

    def _among(self, keys: Sequence[RowKey]) -> sa.ColumnElement[bool]:
        if (array := self._as_array(keys)) is not None:
            return self._keys()[0] == sa.any_(array)
        if len(self.key) == 1:
            return self._keys()[0].in_([key[0] for key in keys])
        return sa.or_(*(sa.and_(*(c == part for c, part in zip(self._keys(), key, strict=True))) for key in keys))
