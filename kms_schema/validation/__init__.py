"""The validator: is this database exactly what the package made?

`facts_postgresql` and `facts_sqlite` read a catalog; `compare` holds it against a packaged snapshot and never
sees a connection; `findings`, `meaning` and `mending` say what a difference is, what it means and how to put
it right; `report` holds it all, `waivers` takes out what is accepted, and `formats` writes it down. Nothing here
imports SQLAlchemy or Alembic, and what only differences, rows or a probe need is imported for them, so that a check
takes a fraction of a second.
"""

import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from kms_schema import snapshots
from kms_schema.validation.by_hand import by_hand
from kms_schema.validation.catalog import Catalog, Objects, Revisions, ValidationError, kind_and_name, names_of
from kms_schema.validation.compare import Difference, Kind, compare, fill_in, usual_owner
from kms_schema.validation.findings import (
    ABOUT_ROWS,
    AT_DEFAULT,
    CODES,
    SELF_EXPLAINING,
    Finding,
    Severity,
    codes_of,
    severity_of,
    worded,
)
from kms_schema.validation.posture import POSTURE, posture_findings
from kms_schema.validation.report import Report, Waived
from kms_schema.validation.revisions import Standing
from kms_schema.validation.version_table import DEFAULT, VersionTable

if TYPE_CHECKING:
    import psycopg

    from kms_schema.validation.facts_postgresql import PostgresqlReader
    from kms_schema.validation.facts_sqlite import SqliteReader
    from kms_schema.validation.mending import Mender
    from kms_schema.validation.rows import Progress
    from kms_schema.validation.waivers import Waiver

    DatabaseConnection: TypeAlias = psycopg.Connection[Any] | sqlite3.Connection

Level: TypeAlias = Literal["catalog", "data"]

__all__ = ["CODES", "Finding", "Report", "Severity", "ValidationError", "Waived", "validate"]


def validate(  # noqa: PLR0913  (each by its name)
    connection: "DatabaseConnection",
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
        from kms_schema.validation.waivers import waive  # noqa: PLC0415

        report = waive(report, waivers)
    return replace(report, checked_at=datetime.now(UTC))


def _report(  # noqa: PLR0913
    connection: "DatabaseConnection",
    schema: str,
    version_table: str,
    *,
    strict: bool,
    level: Level,
    progress: "Progress | None",
    probe: bool,
) -> Report:
    chain = snapshots.chain()
    table = VersionTable.parse(version_table, schema)
    with _reading(connection, schema) as reader:
        revisions = reader.revisions(table.schema, table.name)

        @cache
        def expected_after(revision: str) -> Objects:
            snapshot = snapshots.load(reader.engine, revision, reader.version)
            return table.placed(snapshot, revisions, frozenset(chain))

        candidates = {revision: expected_after(revision) for revision in _candidates(revisions, chain)}
        names = names_of(*candidates.values(), expected_after(chain[-1]))
        objects = reader.objects(names)
        owner = usual_owner(objects)
        posture = reader.posture(owner) if objects else []
        strangers = reader.strangers(names) if strict else []
        catalog = Catalog(reader.engine, reader.version, reader.schema, revisions, objects)
        filled = {revision: fill_in(expected, catalog.schema, owner) for revision, expected in candidates.items()}
        found = {revision: compare(expected, objects) for revision, expected in filled.items()}
        closest = min(found, key=lambda revision: len(found[revision]))
        if found[closest] and len(found) == 1 and (other := _exactly(catalog, owner, chain, expected_after)):
            closest, filled[other[0]], found[other[0]] = other[0], other[1], ()
        guarded = {key: facts for key, facts in filled[closest].items() if facts.get("table") != table.name}
        rows: tuple[Finding, ...] = ()
        if level == "data":
            from kms_schema.validation.rows import row_findings  # noqa: PLC0415

            rows = row_findings(reader, guarded, objects, progress)
    empty = not objects.keys() - {f"table {table.name}"} and not revisions.stamped
    differences: tuple[Finding, ...] = ()
    if found[closest] and not empty:
        differences = tuple(_differences(found[closest], catalog, filled[closest], table.name))
    findings = differences
    if not any(_unstampable(finding, table.name) for finding in differences):
        standing = Standing(
            chain, closest, version_table, table.qualified(reader.engine), exact=not differences, empty=empty
        )
        findings = (*standing.findings(revisions), *differences)
    findings += rows + posture_findings(posture) + tuple(_stranger(key) for key in strangers)
    probed = None
    if probe and not empty:
        from kms_schema.validation import probing  # noqa: PLC0415  (nobody else needs it loaded)

        probed, more = probing.probe(connection, schema, guarded)
        findings += more
    return Report(
        catalog.engine,
        catalog.version,
        catalog.schema,
        None if empty else closest,
        chain[-1],
        tuple(finding if finding.mend else replace(finding, mend=by_hand(finding.code)) for finding in findings),
        checked=() if empty else tuple(filled[closest]),
        unasked=_unasked(catalog, strict=strict, level=level, probe=probe),
        database=reader.database,
        probed=probed,
    )


def _unasked(catalog: Catalog, *, strict: bool, level: Level, probe: bool) -> frozenset[str]:
    """Return the codes that cannot be among the findings, since nothing looked for them."""
    nobody = catalog.engine == "sqlite" or not catalog.objects
    return frozenset(
        code
        for code in CODES
        if (nobody and code in POSTURE)
        or (not strict and code == "KMS902")
        or (level != "data" and code in ABOUT_ROWS)
        or (not probe and code.startswith("KMS6"))
    )


def _candidates(revisions: Revisions, chain: Sequence[str]) -> list[str]:
    """Return the stamped revision; where that cannot be told, all of them, the newest first."""
    stamped = [revision for revision in chain if revision in (revisions.stamped or ())]
    return stamped[-1:] or list(reversed(chain))


def _exactly(
    catalog: Catalog, owner: str, chain: Sequence[str], expected_after: Callable[[str], Objects]
) -> tuple[str, Objects] | None:
    """Return the revision that the objects are exactly of, if any, with what it has."""
    for revision in reversed(chain):
        expected = fill_in(expected_after(revision), catalog.schema, owner)
        if not compare(expected, catalog.objects):
            return revision, expected
    return None


def _unstampable(finding: Finding, version_table: str) -> bool:
    """Whether a finding says that Alembic's table has no place for a revision, so that there is none."""
    return finding.object == f"column {version_table}.version_num" and finding.code in {"KMS111", "KMS114"}


def _reading(
    connection: "DatabaseConnection", schema: str
) -> "AbstractContextManager[PostgresqlReader] | AbstractContextManager[SqliteReader]":
    """Choose the reader by the connection's type; psycopg is imported only where it is used."""
    if isinstance(connection, sqlite3.Connection):
        from kms_schema.validation import facts_sqlite  # noqa: PLC0415

        return facts_sqlite.reading(connection)
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(connection, psycopg.Connection):
        raise TypeError(
            f"validate() takes a connection of psycopg or sqlite3, not {type(connection).__module__}."
            f"{type(connection).__name__}; of SQLAlchemy's, pass connection.connection.driver_connection"
        )
    from kms_schema.validation import facts_postgresql  # noqa: PLC0415

    return facts_postgresql.reading(connection, schema)


def _differences(
    found: Sequence[Difference], catalog: Catalog, expected: Objects, version_table: str
) -> Iterator[Finding]:
    from kms_schema.validation.mending import Mender  # noqa: PLC0415

    mender = Mender(catalog.engine, catalog.schema, expected, catalog.objects)
    for difference in found:
        # The version table is missing: `revisions` has said so.
        if not (difference.key == f"table {version_table}" and difference.kind is Kind.MISSING):
            yield from _findings(difference, expected, catalog.objects, mender)


def _findings(difference: Difference, expected: Objects, actual: Objects, mender: "Mender") -> Iterator[Finding]:
    from kms_schema.validation.meaning import meaning_of  # noqa: PLC0415

    facts_of_object = expected.get(difference.key) or actual.get(difference.key) or {}
    for position, (code, facts) in enumerate(codes_of(difference).items()):
        should, does = _both_sides(difference, facts, facts_of_object)
        yield Finding(
            code=code,
            severity=severity_of(code),
            object=difference.key,
            expected=should,
            actual=does,
            meaning=meaning_of(difference, code, facts, facts_of_object.get("table")),
            mend=mender.mend(difference, code, facts),
            also=difference.also if position == 0 else (),
        )


def _stranger(key: str) -> Finding:
    meaning = "it is not the package's; whether it belongs here is for its owner to say"
    return Finding("KMS902", severity_of("KMS902"), key, "only the package's objects in this schema", "there", meaning)


def _both_sides(
    difference: Difference, facts: dict[str, tuple[Any, Any]], of_object: dict[str, Any]
) -> tuple[str, str]:
    kind, name = kind_and_name(difference.key)
    described = worded(of_object.get("definition") or of_object.get("type") or kind).replace(
        "{name}", name.rpartition(".")[2]
    )
    if difference.kind is Kind.MISSING:
        return described, "missing"
    if difference.kind is Kind.UNEXPECTED:
        return f"no such {kind}", described
    if len(facts) == 1 and facts.keys() <= SELF_EXPLAINING:
        ((name, sides),) = facts.items()
        should, does = (worded(AT_DEFAULT.get(name) if side is None else side) for side in sides)
        return should, does
    should, does = (
        "\n".join(f"{fact.replace('_', ' ')}: {worded(pair[side])}" for fact, pair in facts.items()) for side in (0, 1)
    )
    return should, does
