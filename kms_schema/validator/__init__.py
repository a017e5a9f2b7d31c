"""The validator: is this database exactly what the package made?

`catalog` reads a database; `diff` compares it with a packaged snapshot, and makes findings of the differences;
`checks` reads rows, roles and protections; `rules` declares every code; `remediation` writes the SQL that fixes a
finding; `probe` tries forbidden writes; `report` holds it all, `waivers` removes what is accepted, and `formats`
renders it. Nothing here imports SQLAlchemy or Alembic, and what only differences, rows or a probe need is imported
for them, so that a check takes a fraction of a second.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from kms_schema.validator import on_demand
from kms_schema.validator.catalog.attributes import Catalog, ValidationError
from kms_schema.validator.catalog.connection import DatabaseConnection
from kms_schema.validator.catalog.version_table import DEFAULT
from kms_schema.validator.checks.hardening import CODE as HARDENING
from kms_schema.validator.checks.hardening import hardening_findings
from kms_schema.validator.checks.posture import posture_findings
from kms_schema.validator.checks.revision_status import RevisionStatus
from kms_schema.validator.diff.compare import Kind
from kms_schema.validator.diff.findings import Finding, finding_of, manual_remediation
from kms_schema.validator.diff.stable_read import Compared, in_stable_read
from kms_schema.validator.report import Report, Waived, WaiverError
from kms_schema.validator.rules import RULES, Scope, Severity

if TYPE_CHECKING:
    from kms_schema.validator.checks.row_reader import Progress
    from kms_schema.validator.on_demand import Reader
    from kms_schema.validator.waivers import Waiver

Level: TypeAlias = Literal["catalog", "data"]

__all__ = [
    "RULES", "DatabaseConnection", "Finding", "Report", "Severity", "ValidationError", "Waived", "WaiverError",
    "validate",
]  # fmt: skip


def validate(
    connection: DatabaseConnection,
    *,
    schema: str = "public",
    version_table: str = DEFAULT,
    strict: bool = False,
    level: Level = "catalog",
    progress: "Progress | None" = None,
    probe: bool = False,
    waivers: "Sequence[Waiver]" = (),
) -> Report:
    """Compare the database behind an idle psycopg or sqlite3 connection with what the package says.

    `schema` names the PostgreSQL schema that holds our objects; `version_table` Alembic's table (`schema.table`
    where it is in another schema); `strict` reports what else is in there, too. Level `data` also asks the rows for
    what a guard should have kept out, and says to `progress` what is asked, as which of how many. With `probe` each
    forbidden write is tried as well, in a transaction that is rolled back: see `probing`. `waivers` are findings that
    are accepted (`kms_schema.read_waivers`). Raises `ValidationError` where too little can be read to say anything, or
    a standby is to be probed, TypeError for a connection of another library, and the driver's own errors.
    """
    report = _report(connection, schema, version_table, strict=strict, level=level, progress=progress, probe=probe)
    if waivers:
        report = on_demand.waive(report, waivers)
    return replace(report, checked_at=datetime.now(UTC))


def _report(
    connection: DatabaseConnection,
    schema: str,
    version_table: str,
    *,
    strict: bool,
    level: Level,
    progress: "Progress | None",
    probe: bool,
) -> Report:
    def report_on(reader: "Reader", compared: Compared) -> tuple[Report, Compared]:
        """Ask the same snapshot for all that is wanted beside the comparison."""
        findings = _of_catalog(reader, compared)
        if level == "data":
            findings += on_demand.row_findings(reader, compared.guarded, compared.catalog.objects, progress)
        findings += _posture(reader, compared)
        findings += tuple(map(_unmanaged, reader.unmanaged_objects(compared.names) if strict else ()))
        not_checked = _not_checked(compared.catalog, strict=strict, level=level, probe=probe)
        report = _report_of(compared, findings, not_checked, reader.database)
        checked = level == "data" and not compared.empty and "table key_audit_seals" in compared.expected
        return replace(report, evidence_checked=checked), compared

    report, compared = in_stable_read(connection, schema, version_table, report_on)
    if not probe or compared.empty:
        return report
    probed, more = on_demand.probe(connection, schema, compared.guarded)
    return replace(report, findings=(*report.findings, *map(_with_remediation, more)), probed=probed)


def _posture(reader: "Reader", compared: Compared) -> tuple[Finding, ...]:
    """Return who could get past the guards, and on PostgreSQL what event triggers keep them from."""
    if not compared.catalog.objects:
        return ()
    rows = reader.posture(compared.owner)
    findings = posture_findings(row for row in rows if row[0] != HARDENING)
    if reader.engine == "sqlite" or compared.empty:
        return findings
    return (*findings, *hardening_findings(rows, compared.catalog.schema, compared.closest))


def _of_catalog(reader: "Reader", compared: Compared) -> tuple[Finding, ...]:
    """Return what is wrong with the revision and with the objects."""
    differences = () if compared.empty else _differences(compared)
    if any(_unstampable(finding, compared.version_table.name) for finding in differences):
        return differences
    status = RevisionStatus(
        reader.engine,
        compared.chain,
        compared.closest,
        compared.version_table_as_written,
        compared.version_table.qualified(reader.engine),
        exact=not differences,
        empty=compared.empty,
    )
    return (*status.findings(compared.catalog.revisions), *differences)


def _report_of(compared: Compared, findings: Sequence[Finding], not_checked: frozenset[str], database: str) -> Report:
    catalog = compared.catalog
    return Report(
        catalog.engine,
        catalog.version,
        catalog.schema,
        None if compared.empty else compared.closest,
        compared.chain[-1],
        tuple(map(_with_remediation, findings)),
        checked=() if compared.empty else tuple(compared.expected),
        not_checked=not_checked,
        database=database,
    )


def _with_remediation(finding: Finding) -> Finding:
    return finding if finding.remediation else replace(finding, remediation=manual_remediation(finding.code))


def _not_checked(catalog: Catalog, *, strict: bool, level: Level, probe: bool) -> frozenset[str]:
    """Return the codes that cannot be among the findings, since nothing looked for them."""
    looked_for = {
        Scope.POSTURE: catalog.engine != "sqlite" and bool(catalog.objects),
        Scope.STRICT: strict,
        Scope.ROWS: level == "data",
        Scope.PROBE: probe,
    }
    return frozenset(rule.code for rule in RULES.values() if not looked_for.get(rule.scope, True))


def _unstampable(finding: Finding, version_table: str) -> bool:
    """Whether a finding says that Alembic's table has no place for a revision, so that there is none."""
    return finding.object == f"column {version_table}.version_num" and finding.code in {"KMS111", "KMS114"}


def _differences(compared: Compared) -> tuple[Finding, ...]:
    """Return the findings of the differences; a missing version table is a finding about the revision."""
    missing_table = f"table {compared.version_table.name}"
    differences = [
        each for each in compared.differences if not (each.kind is Kind.MISSING and each.key == missing_table)
    ]
    return on_demand.difference_findings(compared.catalog, compared.expected, differences) if differences else ()


def _unmanaged(key: str) -> Finding:
    return finding_of("KMS902", key, "only the package's objects in this schema", "there")
