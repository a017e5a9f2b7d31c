"""What Alembic's autogenerate must leave alone."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql.schema import SchemaItem

IncludeObject = Callable[[SchemaItem, str | None, str, bool, SchemaItem | None], bool]


def include_object(dialect: str) -> IncludeObject:
    """Return Alembic's `include_object` hook for a database of `dialect` (`postgresql` or `sqlite`).

    Left out are tables of a host application, and tables that only the other engine has.
    """

    def include(item: SchemaItem, _name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        if isinstance(item, Table) and kind == "table":
            return compare_to is not None if reflected else item.info.get("only_on", dialect) == dialect
        return True

    return include
