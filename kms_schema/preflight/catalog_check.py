"""Compare the catalog with a revision: the recorded revision before an upgrade, the new revision before a stamp."""

from collections.abc import Iterator

from kms_schema.validator import DatabaseConnection
from kms_schema.validator.diff.compare import Kind
from kms_schema.validator.diff.stable_read import Compared, compared_once

_SHOWN = 3
"""How many objects a message names."""


def problems(connection: DatabaseConnection, schema: str, version_table: str) -> Iterator[str]:
    """Yield the missing objects of the recorded revision, without which an upgrade would fail.

    connection: idle, of psycopg or sqlite3. schema, version_table: of this history.

    Raises `ValidationError` if the catalog cannot be read. Example::

        found = list(problems(psycopg.connect(url, autocommit=True), "public", "alembic_version"))
    """
    compared = compared_once(connection, schema, version_table)
    recorded = [each for each in compared.chain if each in (compared.catalog.revisions.stamped or ())]
    if not recorded or recorded[-1] in _made(compared):
        return
    if not _objects(compared):
        yield (
            f"the database is recorded as at {recorded[-1]}, and has none of its objects: restore a backup, or begin"
            " again after kms-schema stamp base"
        )
    elif compared.closest != recorded[-1]:
        yield (
            f"the database is recorded as at {recorded[-1]}, and its objects are those of {compared.closest}: correct"
            f" that with kms-schema stamp {compared.closest}"
        )
    elif missing := _missing(compared):
        yield (
            f"the database is not as {recorded[-1]} made it: missing are {missing}; kms-schema validate reports the"
            " difference"
        )


def objection_to_stamp(
    connection: DatabaseConnection, revision: str | None, schema: str, version_table: str
) -> str | None:
    """Return why a revision contradicts the catalog, None if it does not.

    connection: idle, of psycopg or sqlite3. revision: the whole id, None for that of an empty database. schema,
    version_table: of this history.

    Raises `ValidationError` if the catalog cannot be read, or there is no such schema. Example::

        objection = objection_to_stamp(connection, "005_optimize_key_management", "public", "alembic_version")
    """
    compared = compared_once(connection, schema, version_table, with_all=True)
    made = _made(compared)
    if revision in made:
        return None
    if revision == compared.closest:
        return f"of {revision} there is no {_missing(compared)}"
    found = f"the objects are those of {compared.closest}" if _objects(compared) else "there are no objects"
    return f"{found}, not those of {revision or 'base'}"


def _objects(compared: Compared) -> set[str]:
    """Return the objects of the schema, without Alembic's table and what belongs to it."""
    table = compared.version_table.name
    objects = compared.catalog.objects.items()
    return {key for key, attributes in objects if key != f"table {table}" and attributes.get("table") != table}


def _made(compared: Compared) -> set[str | None]:
    """Return the revisions whose objects are all there: the closest, `None` for base, or both of a host without tables.

    The first revision makes nothing where a host has no table of its own.
    """
    whole: set[str | None] = set() if _missing(compared) else {compared.closest}
    return whole if _objects(compared) else {None, *whole}


def _missing(compared: Compared) -> str:
    table = f"table {compared.version_table.name}"
    keys = [each.key for each in compared.differences if each.kind is Kind.MISSING and each.key != table]
    keys.sort(key=lambda key: not key.startswith("table "))
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more
