"""Fixes that an object of the host would refuse: a finding names that object in place of the SQL."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog.attributes import RELATION_KINDS, Names, kind_and_name, own_name
from kms_schema.validator.diff.compare import Kind
from kms_schema.validator.diff.findings import MANUAL_ACTION, Finding
from kms_schema.validator.rules import OF_OBJECTS

if TYPE_CHECKING:
    from kms_schema.validator.catalog.postgresql_reader import PostgresqlReader
    from kms_schema.validator.catalog.sqlite_reader import SqliteReader


def with_obstacles(
    reader: "PostgresqlReader | SqliteReader", names: Names, findings: Sequence[Finding]
) -> Iterator[Finding]:
    """Yield the findings; one whose fix would be refused says which object of the host has its name, or reads it."""
    missing = {
        OF_OBJECTS[kind, Kind.MISSING] for kind in ("constraint", "index", "trigger", "sequence", *RELATION_KINDS)
    }
    fixes = [each for each in findings if each.code in missing and each.remediation]
    unmanaged = reader.unmanaged_objects(names) if fixes else ()
    taken = {kind_and_name(key)[1]: key for key in unmanaged if not key.startswith("function ")}
    views = reader.views_of_host() if any(_replaces(each) for each in findings) else ()
    for each in findings:
        other = taken.get(own_name(each.object)) if each in fixes else None
        reading = next((view for of, column, view in views if _replaces(each, reader.schema, of, column)), None)
        if other is not None and _share_names(reader.engine, each.object, other):
            manual = f"{MANUAL_ACTION}{other} has this name: rename it, and validate again"
        elif reading is not None:
            manual = f"{MANUAL_ACTION}{reading} reads it: drop that, validate again, and create it at the end"
        else:
            yield each
            continue
        yield replace(each, remediation=manual)


def _share_names(engine: str, key: str, other: str) -> bool:
    """Return whether two objects cannot have one name; triggers share theirs on SQLite, with each other alone."""
    if key.startswith("trigger ") or other.startswith("trigger "):
        return engine == "sqlite" and key.startswith("trigger ") and other.startswith("trigger ")
    of_index = not key.startswith("constraint ") or key.partition(".")[2].startswith(("pk_", "uq_"))
    return of_index and (engine == "postgresql" or not key.startswith("constraint "))


def _replaces(finding: Finding, schema: str = "", relation: str = "", column: str | None = None) -> bool:
    """Return whether a fix drops a view, or drops or retypes a column, which is refused while a view reads it."""
    fix = finding.remediation or ""
    if not relation:
        return " VIEW " in fix or " COLUMN " in fix
    name = f"{quoted(schema)}.{quoted(relation)}"
    if f"DROP VIEW {name};" in fix or f"DROP MATERIALIZED VIEW {name};" in fix:
        return True
    alter = f"ALTER TABLE {name}"
    return column is not None and (
        f"{alter} DROP COLUMN {quoted(column)};" in fix or f"{alter} ALTER COLUMN {quoted(column)} TYPE " in fix
    )
