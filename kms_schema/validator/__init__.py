"""The validator: it compares a database with the expected schema.

`catalog` reads a database. `diff` compares it with a packaged snapshot, and makes findings of the differences. `checks`
reads rows, roles and protections. `rules` declares every code. `remediation` writes the SQL that fixes a finding.
`probe` tries forbidden writes. `report` holds it all, `waivers` removes accepted findings, and `formats` renders it.
Nothing here imports SQLAlchemy or Alembic, and what only differences, rows or a probe need is imported for them, so
that a check takes a fraction of a second.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.validator import on_demand
from kms_schema.validator.catalog.attributes import Catalog, ValidationError
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
    """Compare the database behind a connection with the expected schema.

    Parameters:
        connection: of psycopg or sqlite3, in no transaction. It is read in one snapshot, and left as it was.
        schema: the PostgreSQL schema of the objects; ignored on SQLite.
        version_table: Alembic's table of this history, `schema.table` if it is in another schema.
        strict: also report unmanaged objects in the schema.
        level: `catalog`, or `data` to also check the rows, which needs SELECT on the tables.
        progress: called before each check of rows with the object, the position from 0, and the number of checks.
        probe: also try each forbidden write, in a transaction that is rolled back. It needs a role that may write,
            and holds the write lock of a SQLite file for about two seconds.
        waivers: accepted findings, from `kms_schema.read_waivers`.

    Returns the report; `Report.fails` decides whether there is drift.

    Raises `ValidationError` if there is no verdict: no consistent read, a running migration, no such schema, or a probe
    of a standby. Raises `TypeError` for a connection of another library, and the errors of the driver.

        report = kms_schema.validate(psycopg.connect(url, autocommit=True), level="data")
        if report.fails():
            print(kms_schema.render(report))
    """
    report = _report(connection, schema, version_table, strict=strict, level=level, progress=progress, probe=probe)
    if waivers:
        report = on_demand.waive(report, waivers)
    return replace(report, checked_at=datetime.now(UTC))


def in_snapshot(
    connection: DatabaseConnection,
    then: Callable[[Report], None],
    *,
    schema: str = "public",
    version_table: str = DEFAULT,
    waivers: "Sequence[Waiver]" = (),
) -> None:
    """Compare the catalog, and call `then` with the report while the snapshot of the comparison is still open.

    Parameters: as of `validate`. `then` may read with the connection, which is in a READ ONLY transaction.

    Raises what `validate` and `then` raise.

        in_snapshot(connection, lambda report: print(report.verdict))
    """
    stopped: BaseException | None = None

    def go_on(report: Report) -> None:
        nonlocal stopped
        try:
            checked = replace(report, checked_at=datetime.now(UTC))
            then(on_demand.waive(checked, waivers) if waivers else checked)
        except BaseException as error:  # noqa: BLE001 — raised below: the stable read would read again for some errors
            stopped = error

    _report(connection, schema, version_table, strict=False, level="catalog", progress=None, probe=False, then=go_on)
    if stopped is not None:
        raise stopped


def _report(
    connection: DatabaseConnection,
    schema: str,
    version_table: str,
    *,
    strict: bool,
    level: Level,
    progress: "Progress | None",
    probe: bool,
    then: Callable[[Report], None] = lambda _: None,
) -> Report:
    def report_on(reader: "Reader", compared: Compared) -> tuple[Report, Compared]:
        """Run the other checks in the snapshot of the comparison."""
        findings = _of_catalog(reader, compared)
        if level == "data":
            findings += on_demand.row_findings(reader, compared.guarded, compared.catalog.objects, progress)
        posture = _posture(reader, compared)
        # On SQLite it is about the catalog itself, whose fixes come before those of what the catalog says.
        findings = (*posture, *findings) if reader.engine == "sqlite" else (*findings, *posture)
        findings += tuple(map(_unmanaged, reader.unmanaged_objects(compared.names) if strict else ()))
        not_checked = _not_checked(compared.catalog, strict=strict, level=level, probe=probe)
        report = _report_of(compared, findings, not_checked, reader.database)
        checked = level == "data" and not compared.empty and "table key_audit_seals" in compared.expected
        report = replace(report, evidence_checked=checked)
        then(report)
        return report, compared

    report, compared = in_stable_read(connection, schema, version_table, report_on)
    if not probe or compared.empty:
        return report
    probed, more = on_demand.probe(connection, schema, compared.guarded)
    return replace(report, findings=(*report.findings, *map(_with_remediation, more)), probed=probed)


def _posture(reader: "Reader", compared: Compared) -> tuple[Finding, ...]:
    """Return what can bypass the protections, and on PostgreSQL which attacks event triggers refuse."""
    if not compared.catalog.objects:
        return ()
    rows = reader.posture(compared.owner)
    findings = posture_findings(row for row in rows if row[0] != HARDENING)
    if reader.engine == "sqlite" or compared.empty:
        return findings
    return (*findings, *hardening_findings(rows, compared.catalog.schema, compared.closest))


def _of_catalog(reader: "Reader", compared: Compared) -> tuple[Finding, ...]:
    """Return the findings about the revision and the objects."""
    differences = () if compared.empty else _differences(compared)
    if differences:
        differences = on_demand.with_obstacles(reader, compared.names, differences)
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
    """Return the codes that this run does not check."""
    checked = {
        Scope.POSTURE: catalog.engine != "sqlite" and bool(catalog.objects),
        Scope.STRICT: strict,
        Scope.ROWS: level == "data",
        Scope.PROBE: probe,
    }
    return frozenset(rule.code for rule in RULES.values() if not checked.get(rule.scope, True))


def _unstampable(finding: Finding, version_table: str) -> bool:
    """Return whether a finding is about a version table that cannot hold a revision."""
    return finding.object == f"column {version_table}.version_num" and finding.code in {"KMS111", "KMS114"}


def _differences(compared: Compared) -> tuple[Finding, ...]:
    """Return the findings of the differences; a missing version table is a finding about the revision."""
    missing_table = f"table {compared.version_table.name}"
    differences = [
        each for each in compared.differences if not (each.kind is Kind.MISSING and each.key == missing_table)
    ]
    if not differences:
        return ()
    return on_demand.difference_findings(compared.catalog, compared.expected, differences, compared.roles)


def _unmanaged(key: str) -> Finding:
    return finding_of("KMS902", key, "only the objects of the package", "exists")
