"""The imports that only some runs need: the module of the validator that imports in functions.

A run that finds no difference loads neither the other engine's reader nor the checks of rows, the probe, the
remediation, the waivers or `difflib`.
"""

import sqlite3
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias

from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.validator.catalog.attributes import Catalog, Names, Objects
from kms_schema.validator.catalog.expected_privileges import AppliedRoles
from kms_schema.validator.diff.compare import Difference
from kms_schema.validator.diff.findings import Finding
from kms_schema.validator.report import Report

if TYPE_CHECKING:
    from kms_schema.validator.catalog.postgresql_reader import PostgresqlReader
    from kms_schema.validator.catalog.sqlite_reader import SqliteReader
    from kms_schema.validator.checks.row_reader import Progress, RowReader
    from kms_schema.validator.waivers import Waiver

    Reader: TypeAlias = PostgresqlReader | SqliteReader


def reading(connection: DatabaseConnection, schema: str) -> "AbstractContextManager[Reader]":
    """Open the reader for the library of the connection; raises `TypeError` for another library's."""
    if isinstance(connection, sqlite3.Connection):
        from kms_schema.validator.catalog import sqlite_reader

        return sqlite_reader.reading(connection)
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(connection, psycopg.Connection):
        raise TypeError(
            f"validate() takes a connection of psycopg or sqlite3, not {type(connection).__module__}."
            f"{type(connection).__name__}; of SQLAlchemy's, pass connection.connection.driver_connection"
        )
    from kms_schema.validator.catalog import postgresql_reader

    return postgresql_reader.reading(connection, schema)


def probe(connection: DatabaseConnection, schema: str, expected: Objects) -> tuple[int, tuple[Finding, ...]]:
    """Try all that the expected objects forbid: see `kms_schema.validator.probe.probe`."""
    from kms_schema.validator.probe import probe as probe_with

    if isinstance(connection, sqlite3.Connection):
        from kms_schema.validator.probe import sqlite

        return probe_with(sqlite.probing(connection), expected)
    from kms_schema.validator.probe import postgresql

    return probe_with(postgresql.probing(connection, schema), expected)


def difference_findings(
    catalog: Catalog, expected: Objects, differences: Sequence[Difference], roles: AppliedRoles | None
) -> tuple[Finding, ...]:
    """Return the findings of differences, with their impact and remediation."""
    from kms_schema.validator.remediation.findings import difference_findings as findings

    return tuple(findings(catalog, expected, differences, roles))


def with_obstacles(reader: "Reader", names: Names, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings, with the objects of the host that refuse fixes: see `remediation.obstacles`."""
    from kms_schema.validator.remediation.findings import with_obstacles as findings_with

    return tuple(findings_with(reader, names, findings))


def row_findings(
    reader: "RowReader", expected: Objects, actual: Objects, progress: "Progress | None"
) -> tuple[Finding, ...]:
    """Return the findings about rows: see `checks.rows`."""
    from kms_schema.validator.checks.rows import row_findings as findings

    return findings(reader, expected, actual, progress)


def waive(report: Report, waivers: "Sequence[Waiver]") -> Report:
    """Return the report with the waivers applied."""
    from kms_schema.validator.waivers import waive as applied

    return applied(report, waivers)


def changed_lines(finding: Finding) -> list[str]:
    """Return the changed lines of a finding: see `formats.changed_lines`."""
    from kms_schema.validator.formats.changed_lines import changed_lines as lines

    return lines(finding)
