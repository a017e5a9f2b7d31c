"""What Alembic's autogenerate must leave alone: hooks for `context.configure`, for a host application and for us.

A host application whose `env.py` calls `kms_schema.migrate.environment.migrate` has them already. One that calls
`context.configure` itself gives it what `hooks_for_host` returns, or the two ready ones where our objects are in the
schema `public`, or on SQLite:

    from kms_schema.models.autogenerate import include_name, include_object
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypedDict

from sqlalchemy import Table
from sqlalchemy.sql.schema import SchemaItem

from kms_schema import snapshots

IncludeName = Callable[[str | None, Any, Any], bool]
IncludeObject = Callable[[Any, str | None, Any, bool, Any], bool]

OWN_INDEXES_OF_HOST_TABLE = ("audit_logs", "idx_kms_audit_logs_")
"""The host's table that revision 003 indexes, and how the names of these indexes begin."""


class Hooks(TypedDict):
    """Arguments for `context.configure`."""

    include_name: IncludeName
    include_object: IncludeObject


def hooks_for_host(
    schema: str = "public",
    *,
    default_schema: str = "public",
    version_table: str = "alembic_version",
    include_name: IncludeName | None = None,
    include_object: IncludeObject | None = None,
) -> Hooks:
    """Return Alembic's hooks for a host: what is ours in `schema` is left out, and of the rest the host's own decide.

    `schema` holds our objects, and `version_table` beside `alembic_version` there, where our history is kept apart;
    `default_schema` is where tables are that name no schema. `include_name` and `include_object` are what the host has
    of its own; they are not asked about what is ours. A table of the same name in another schema is the host's.
    """
    ours = _Ours(schema, default_schema, version_table)

    def include_no_name_of_ours(name: str | None, kind: Any, parents: Any) -> bool:
        if ours.has_name(name, kind, parents):
            return False
        return include_name is None or include_name(name, kind, parents)

    def include_no_object_of_ours(item: Any, name: str | None, kind: Any, reflected: bool, compare_to: Any) -> bool:
        if ours.has_object(item, name, kind):
            return False
        return include_object is None or include_object(item, name, kind, reflected, compare_to)

    return {"include_name": include_no_name_of_ours, "include_object": include_no_object_of_ours}


@dataclass(frozen=True)
class _Ours:
    """Which names and objects are this package's."""

    schema: str
    default_schema: str
    version_table: str

    def has_name(self, name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
        """Say so of a name that is about to be looked up in the database."""
        if name is None or kind == "schema":
            return False  # in a schema that holds ours there may be tables of the host's
        if kind == "table":
            return self._has_relation(parents.get("schema_name"), name)
        table = parents.get("table_name")
        return table is not None and self._has_part(parents.get("schema_name"), table, name, kind)

    def has_object(self, item: Any, name: str | None, kind: str) -> bool:
        """Say so of an object of the database or of the host's metadata; other kinds are those of Alembic's plugins."""
        if isinstance(item, Table):
            return self._has_relation(item.schema, item.name)
        table = getattr(item, "table", None)
        if isinstance(table, Table):
            return self._has_part(table.schema, table.name, name, kind)
        plain = str(name).partition("(")[0].rpartition(".")[2]
        return self._lives_here(getattr(item, "schema", None)) and plain in _names(kind.replace("_", " "))

    def _has_part(self, schema: str | None, table: str, name: str | None, kind: str) -> bool:
        host_table, prefix = OWN_INDEXES_OF_HOST_TABLE
        if kind == "index" and table == host_table and str(name).startswith(prefix):
            return self._lives_here(schema)
        return self._has_relation(schema, table)

    def _has_relation(self, schema: str | None, name: str) -> bool:
        """Say so of a table, or of a view, which a host may have mapped as one."""
        ours = _names("table") | _names("view") | _names("materialized view") | {self.version_table}
        return self._lives_here(schema) and name in ours

    def _lives_here(self, schema: str | None) -> bool:
        return (schema or self.default_schema) == self.schema


@cache
def _names(kind: str) -> frozenset[str]:
    """Return the names of our objects of a kind on both engines, as the newest snapshots have them."""
    keys = (key for engine in ("postgresql", "sqlite") for key in snapshots.load(engine, snapshots.chain()[-1], "999"))
    named = (key.removeprefix(f"{kind} ") for key in keys if key.startswith(f"{kind} "))
    return frozenset(name.partition("(")[0].rpartition(".")[2] for name in named)


def include_own(dialect: str) -> IncludeObject:
    """Return `include_object` for our own environment, on a database of `dialect` (`postgresql` or `sqlite`).

    Left out are tables of a host application, and tables that only the other engine has.
    """

    def include(item: SchemaItem, _name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        if isinstance(item, Table) and kind == "table":
            return compare_to is not None if reflected else item.info.get("only_on", dialect) == dialect
        return True

    return include


_READY = hooks_for_host()
include_name = _READY["include_name"]
include_object = _READY["include_object"]
