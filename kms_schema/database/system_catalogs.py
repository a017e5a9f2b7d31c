"""The system catalogs of PostgreSQL under their names: a superuser can rename one, and put a view or a table there."""

from collections.abc import Iterable, Sequence
from typing import Final

FIRST_OF_USERS: Final = 16384
"""Objects that are made after initdb have this number or a higher one."""

CATALOGS: Final = (
    "pg_aggregate", "pg_am", "pg_amop", "pg_amproc", "pg_attrdef", "pg_attribute", "pg_auth_members",
    "pg_cast", "pg_class", "pg_collation", "pg_constraint", "pg_database", "pg_db_role_setting",
    "pg_default_acl", "pg_depend", "pg_description", "pg_enum", "pg_event_trigger", "pg_extension", "pg_index",
    "pg_inherits", "pg_language", "pg_namespace", "pg_opclass", "pg_operator", "pg_policy", "pg_proc",
    "pg_rewrite", "pg_seclabel", "pg_sequence", "pg_statistic_ext", "pg_subscription_rel", "pg_tablespace",
    "pg_trigger", "pg_type",
)  # fmt: skip
"""Those that the package reads, and everybody may read."""
VIEWS: Final = (
    "pg_locks", "pg_publication_tables", "pg_roles", "pg_settings", "pg_stat_activity", "pg_stat_subscription",
)  # fmt: skip
OTHERS: Final = ("pg_subscription",)


def numbers(names: Iterable[str]) -> str:
    """Return the query for the number of each of these relations, in one row. It reads none of them.

    A name that no relation has is an error of it. Example::

        row = cursor.execute(numbers(CATALOGS)).fetchone()
    """
    return "SELECT " + ", ".join(f"'pg_catalog.{name}'::pg_catalog.regclass::pg_catalog.oid" for name in names)


def replaced(names: Iterable[str], row: Sequence[int]) -> list[str]:
    """Return the names whose relation PostgreSQL has not made, by the row of `numbers`."""
    return [name for name, number in zip(names, row, strict=True) if number >= FIRST_OF_USERS]


def rows(names: Iterable[str]) -> str:
    """Return a query that reads a row of each of these catalogs, and fails where one has the rule of a view."""
    first = (f"(SELECT tableoid FROM pg_catalog.{name} LIMIT 1)" for name in names)  # noqa: S608  (names of this module)
    return f"SELECT {', '.join(first)}"
