"""A database is compared with the expected objects of a host."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.errors import KmsSchemaError
from kms_schema.validator import on_demand, validate
from kms_schema.validator.catalog.attributes import (
    Attributes,
    Catalog,
    Objects,
    Revisions,
    kind_and_name,
)
from kms_schema.validator.catalog.version_table import DEFAULT
from kms_schema.validator.diff.compare import Difference, compare, usual_owner
from kms_schema.validator.diff.findings import Finding, manual_remediation
from kms_schema.validator.diff.stable_read import read_until_stable
from kms_schema.validator.host.scope import Scope
from kms_schema.validator.host.snapshots import (
    OWNER,
    Snapshot,
    SnapshotError,
    chosen,
    major_of,
    observed,
    taken,
    with_owner,
)
from kms_schema.validator.report import Report

if TYPE_CHECKING:
    from kms_schema.validator.on_demand import Reader
    from kms_schema.validator.waivers import Waiver

_RENDERED_BY_MAJOR = frozenset({"view", "materialized view", "rule"})
"""Kinds whose definition each major version of PostgreSQL renders in its way: it is the text of a query."""
_MAINTAIN = re.compile(r"(?<=: )MAINTAIN(?: WITH GRANT OPTION)?(?:, )?|, MAINTAIN(?: WITH GRANT OPTION)?")
_NOT_UNDERSTOOD = (
    "an attribute of the expected objects is not as kms-schema snapshot writes it: write the file again. If that does"
    " not help, it is a fault of this program"
)
_NOT_COMPARED = "not compared"
_WRITTEN_BY_MAJOR = frozenset({("column", "not_null_constraint"), ("procedure", "arguments")})
"""Attributes that major versions write differently: the type of each argument is in the name of a procedure, too."""
_NO_REVISION = Revisions(stamped=(), table_exists=False)


@dataclass(frozen=True)
class _Schema:
    """One schema of one read, and its differences."""

    name: str
    objects: Objects
    expected: Objects
    differences: tuple[Difference, ...]
    has_ours: bool


@dataclass(frozen=True)
class _Compared:
    """One read of a database."""

    schemas: tuple[_Schema, ...]
    snapshot: Snapshot
    not_compared: tuple[str, ...]

    @property
    def catalog(self) -> list[Objects]:
        return [each.objects for each in self.schemas]

    @property
    def is_certain(self) -> bool:
        return not any(each.differences for each in self.schemas)


def snapshot_of(connection: DatabaseConnection, scope: Scope) -> Snapshot:
    """Return the objects in scope of a database, read in one snapshot, as expected objects for others.

    Parameters:
        connection: of psycopg or sqlite3, in no transaction. It is only read.
        scope: the schemas, and what is left out.

    Raises `ValidationError` for a schema that does not exist, or if an object was altered during the read.

        expected = snapshot_of(psycopg.connect(staging, autocommit=True), Scope(("public", "sales")))
    """
    with on_demand.reading(connection, scope.schemas[0]) as reader:
        return taken(reader, scope)


def validate_host(
    connection: DatabaseConnection,
    expected: Sequence[Snapshot],
    scope: Scope,
    *,
    version_table: str = DEFAULT,
    waivers: "Sequence[Waiver]" = (),
) -> Report:
    """Compare the objects of a host with the expected ones, and our tables, where there are any, with the package.

    Parameters:
        connection: of psycopg or sqlite3, in no transaction. It is only read, in one snapshot.
        expected: from `read_snapshots` or `snapshot_of`; that of the server's major version is taken, else the nearest.
        scope: the schemas, and what is left out.
        version_table: Alembic's table of our history.
        waivers: accepted findings, from `kms_schema.read_waivers`.

    Returns the report. Where several schemas are compared, a finding names the schema of its object.

    Raises `ValidationError` if there is no verdict, and `SnapshotError` where nothing is expected for this engine.

        report = validate_host(connection, read_snapshots("schema.json"), Scope())
    """

    def report_on(reader: "Reader", compared: _Compared) -> tuple[Report, tuple[str, ...]]:
        report = Report(
            reader.engine,
            reader.version,
            ", ".join(each.name for each in compared.schemas),
            compared.snapshot.source,
            compared.snapshot.source,
            tuple(_findings(reader, compared)),
            checked=tuple(key for each in compared.schemas for key in each.expected),
            database=reader.database,
            of_host=True,
            not_compared=compared.not_compared,
        )
        return report, tuple(each.name for each in compared.schemas if each.has_ours)

    try:
        report, with_ours = read_until_stable(
            connection, scope.schemas[0], lambda reader: _compared(reader, expected, scope), report_on
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, KmsSchemaError):
            raise
        raise SnapshotError(_NOT_UNDERSTOOD) from error
    if scope.exclude and not report.checked:
        raise SnapshotError("the patterns of --exclude leave nothing to compare")
    for schema in with_ours:
        ours = validate(connection, schema=schema, version_table=version_table)
        report = replace(report, findings=(*report.findings, *ours.findings), checked=(*report.checked, *ours.checked))
    if waivers:
        report = on_demand.waive(report, waivers)
    return replace(report, checked_at=datetime.now(UTC))


def _compared(reader: "Reader", available: Iterable[Snapshot], scope: Scope) -> _Compared:
    snapshot = chosen(available, reader.engine, reader.version)
    if reader.engine == "postgresql" and (lacking := [each for each in scope.schemas if each not in snapshot.schemas]):
        has = ", ".join(sorted(snapshot.schemas))
        raise SnapshotError(f"{snapshot.source} has no schema {lacking[0]!r}: it has {has}; name them with --schemas")
    same_major = snapshot.major == major_of(reader.engine, reader.version)
    schemas, not_compared = [], list[str]()
    for each in observed(reader, scope):
        there = scope.within(each.schema, snapshot.schemas.get(each.schema, {}))
        should = with_owner(there, OWNER, usual_owner(each.objects))
        pair = (should, each.objects) if same_major else (_of_any_major(should), _of_any_major(each.objects))
        schemas.append(_Schema(each.schema, each.objects, should, compare(*pair), each.has_ours))
        not_compared += each.not_compared
        if not same_major:
            not_compared += [f"query of {key}" for key in should if kind_and_name(key)[0] in _RENDERED_BY_MAJOR]
    return _Compared(tuple(schemas), snapshot, tuple(not_compared))


def _of_any_major(objects: Objects) -> Objects:
    """Return the objects without what another major version renders differently.

    The text of queries; the privilege MAINTAIN, which 17 and later have; names of NOT NULL constraints, which 18 has.
    """
    return {key: _of_any_version(kind_and_name(key)[0], each) for key, each in objects.items()}


def _of_any_version(kind: str, attributes: Attributes) -> Attributes:
    if kind in _RENDERED_BY_MAJOR:
        return {**attributes, "definition": _NOT_COMPARED}
    attributes = {name: value for name, value in attributes.items() if (kind, name) not in _WRITTEN_BY_MAJOR}
    if "grants" in attributes:
        lines = [_MAINTAIN.sub("", line) for line in attributes["grants"]]
        attributes["grants"] = [line for line in lines if not line.endswith(": ")] or None
    return attributes


def _findings(reader: "Reader", compared: _Compared) -> Iterable[Finding]:
    for each in compared.schemas:
        catalog = Catalog(reader.engine, reader.version, each.name, _NO_REVISION, each.objects)
        for finding in on_demand.difference_findings(catalog, each.expected, each.differences, None):
            named = finding if len(compared.schemas) == 1 else _in_schema(finding, each.name)
            yield named if named.remediation else replace(named, remediation=manual_remediation(named.code))


def _in_schema(finding: Finding, schema: str) -> Finding:
    kind, name = kind_and_name(finding.object)
    return replace(finding, object=f"{kind} {schema}.{name}")
