"""Hooks for `context.configure`: Alembic's autogenerate leaves this package's objects out, and renders its types.

A host application whose `env.py` calls `kms_schema.migrate.environment.migrate` has them already. An application that
calls `context.configure` itself passes the result of `hooks_for_host`, or, if the objects are in the schema `public` or
on SQLite, the three predefined hooks:

    from kms_schema.models.autogenerate import include_name, include_object, render_item
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypedDict

from sqlalchemy import Table
from sqlalchemy.sql.schema import SchemaItem

from kms_schema import snapshots
from kms_schema.models.base import JsonDocument

IncludeName = Callable[[str | None, Any, Any], bool]
IncludeObject = Callable[[Any, str | None, Any, bool, Any], bool]
RenderItem = Callable[[str, Any, Any], str | Literal[False]]

OWN_INDEXES_OF_HOST_TABLE = ("audit_logs", "idx_kms_audit_logs_")
"""The host's table that revision 003 indexes, and the prefix of these indexes."""


class Hooks(TypedDict):
    """Arguments for `context.configure`."""

    include_name: IncludeName
    include_object: IncludeObject
    render_item: RenderItem


def hooks_for_host(  # noqa: PLR0913  (each hook of Alembic is one)
    schema: str = "public",
    *,
    default_schema: str = "public",
    version_table: str = "alembic_version",
    include_name: IncludeName | None = None,
    include_object: IncludeObject | None = None,
    render_item: RenderItem | None = None,
) -> Hooks:
    """Return Alembic's hooks for a host: autogenerate leaves out this package's objects, and writes its types.

    - `schema`: the schema of this package's objects; a table of the same name in another schema belongs to the host
    - `default_schema`: the schema of tables without a schema name
    - `version_table`: the version table of this package, if its history is separate from the host's
    - `include_name`, `include_object`, `render_item`: hooks of the host; they decide about all other objects and types

    It raises nothing.

    ```python
    context.configure(connection=connection, target_metadata=metadata, **hooks_for_host("kms"))
    ```
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

    def render_types_of_ours(kind: str, item: Any, context: Any) -> str | Literal[False]:
        if kind == "type" and (stored := _stored_as(item, context)) is not None:
            return stored
        return False if render_item is None else render_item(kind, item, context)

    return {
        "include_name": include_no_name_of_ours,
        "include_object": include_no_object_of_ours,
        "render_item": render_types_of_ours,
    }


def _stored_as(type_: Any, context: Any) -> str | None:
    """Return the type of SQLAlchemy that stores what a type of ours does; None for other types.

    Alembic would write the type itself, without the import that it needs. A revision also outlives the names of keys.
    """
    prefix: str = context.opts.get("sqlalchemy_module_prefix") or ""
    if (stored := getattr(type_, "autogenerate_as", None)) is not None:
        return f"{prefix}{stored.format(sa=prefix)}"
    if repr(type_) == repr(JsonDocument):  # Alembic writes the type inside JSONB without its module
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return f"{prefix}JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), 'postgresql')"
    return None


@dataclass(frozen=True)
class _Ours:
    """Recognizes the names and objects of this package."""

    schema: str
    default_schema: str
    version_table: str

    def has_name(self, name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
        """Return True for a name of ours that Alembic is about to reflect."""
        if name is None or kind == "schema":
            return False  # the schema may contain tables of the host, too
        if kind == "table":
            return self._has_relation(parents.get("schema_name"), name)
        table = parents.get("table_name")
        return table is not None and self._has_part(parents.get("schema_name"), table, name, kind)

    def has_object(self, item: Any, name: str | None, kind: str) -> bool:
        """Return True for an object of ours in the database or the host's metadata; plugins of Alembic add other
        kinds."""
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
        """Return True for a table or view of ours; a host may map a view as a table."""
        ours = _names("table") | _names("view") | _names("materialized view") | {self.version_table}
        return self._lives_here(schema) and name in ours

    def _lives_here(self, schema: str | None) -> bool:
        return (schema or self.default_schema) == self.schema


@cache
def _names(kind: str) -> frozenset[str]:
    """Return the names of our objects of a kind on both engines, from the newest snapshots."""
    keys = (key for engine in ("postgresql", "sqlite") for key in snapshots.load(engine, snapshots.chain()[-1], "999"))
    named = (key.removeprefix(f"{kind} ") for key in keys if key.startswith(f"{kind} "))
    return frozenset(name.partition("(")[0].rpartition(".")[2] for name in named)


def include_own(dialect: str) -> IncludeObject:
    """Return `include_object` for this package's own environment; `dialect` is `postgresql` or `sqlite`.

    It excludes tables of a host application, and tables of the other engine.
    """

    def include(item: SchemaItem, _name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        if isinstance(item, Table) and kind == "table":
            return compare_to is not None if reflected else item.info.get("only_on", dialect) == dialect
        return True

    return include


_READY = hooks_for_host()
include_name: IncludeName = _READY["include_name"]
include_object: IncludeObject = _READY["include_object"]
render_item: RenderItem = _READY["render_item"]
