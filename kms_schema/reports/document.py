"""The report as one JSON document, from which the other formats are made. `report.schema.json` describes it."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC
from typing import Any

from kms_schema._version import __version__
from kms_schema.audit.formats.texts import to_base64
from kms_schema.reading.times import time_to_text
from kms_schema.reports.outcomes import LEGEND, Outcome, Quoted, Table, state_of
from kms_schema.reports.reading import Reading
from kms_schema.reports.standards.control import Standard

FORMAT = "kms-schema/report/v1"

Document = dict[str, Any]

SCOPE = (
    "The report is about the keys in this database, and about nothing else. It says that claims hold, and no more: only"
    " an assessor can say that a standard is met."
)
PROOFS = (
    "A proof shows that a quoted entry is in the tree of the checkpoint. Entries without a proof are counted, with the"
    " reason. Check the proofs without the database, in the files beside this report: python -m"
    " kms_schema.audit.standalone.check_audit proofs FILE --trust KEYS. Keep a checkpoint of your own, and compare it."
)
STATE_CLAIMS = (
    "Claims about the state of the database, and claims that something is absent, are not provable offline: they"
    " have no such proof. They carry the query, the time of the snapshot and the figures. The same query on a copy of"
    " that time gives the same."
)


def document_of(
    standard: Standard, reading: Reading, outcomes: Mapping[str, Outcome], *, recorded: bool, database: str
) -> Document:
    """Return the document of a report."""
    period, seal = reading.scope.period, reading.seal
    controls = []
    for control in standard.controls:
        found = [outcomes[name] for name in control.claims]
        controls.append(
            {
                "number": control.number,
                "asks": control.asks,
                "state": state_of(found).value,
                "claims": list(control.claims),
                "left": control.left,
            }
        )
    return {
        "format": FORMAT,
        "standard": standard.name,
        "title": standard.title,
        "period": {"name": period.name, "start": time_to_text(period.start), "end": time_to_text(period.end)},
        "snapshot": {
            "time": time_to_text(reading.scope.now),
            "database": database,
            "engine": reading.validation.engine,
            "version": reading.validation.version,
            "schema": reading.validation.schema,
            "revision": reading.validation.compared_with,
            "log_begins": None if reading.log_begins is None else time_to_text(reading.log_begins.astimezone(UTC)),
            "period_is_over": period.end <= reading.scope.now,
        },
        "checkpoint": None
        if seal is None
        else {
            "seal": seal.number,
            "origin": seal.origin,
            "size": seal.tree_size,
            "root": to_base64(seal.root_hash),
            "sealed_at": seal.sealed_at,
            "verifier_key": seal.verifier_key,
            "note": str(seal.note()),
        },
        "without_proofs": reading.without_proofs or None,
        "notes": [SCOPE, PROOFS, STATE_CLAIMS, _recorded(recorded=recorded)],
        "legend": dict(LEGEND),
        "recorded": recorded,
        "tool": f"kms-schema {__version__}",
        "controls": controls,
        "claims": [_claim(outcome) for outcome in outcomes.values()],
    }


def _recorded(*, recorded: bool) -> str:
    if recorded:
        return (
            "The SHA-256 of this file is an entry DOCUMENT_WRITTEN of the audit log: kms-schema audit list --event-type"
            " DOCUMENT_WRITTEN --format json lists it."
        )
    return "This report was written with --no-record: no entry of the audit log has its SHA-256."


def _claim(outcome: Outcome) -> Document:
    return {
        "name": outcome.claim.name,
        "claim": outcome.claim.sentence,
        "state": outcome.state.value,
        "reason": outcome.reason or None,
        "proof": outcome.proof,
        "violations": None if outcome.violations is None else _table(outcome.violations),
        "figures": [_table(table) for table in outcome.tables],
        "entries": None if outcome.quoted is None else _quoted(outcome.quoted),
    }


def _table(table: Table) -> Document:
    return {
        "title": table.title,
        "query": table.query,
        "row_count": table.count,
        "columns": list(table.columns),
        "rows": [list(row) for row in table.rows],
    }


def has_one_value(table: Document) -> bool:
    """Return whether a table has a single value, which its title then shows."""
    return len(table["columns"]) == 1 and len(table["rows"]) == 1


def titled(table: Document) -> str:
    """Return the title of a table, with its one value or the number of its rows, none for a row of figures."""
    if has_one_value(table):
        return f"{table['title']}: {table['columns'][0].replace('_', ' ')} = {table['rows'][0][0]}"
    if len(table["rows"]) == 1 and all(isinstance(each, int | None) for each in table["rows"][0]):
        return str(table["title"])
    return f"{table['title']}: {table['row_count']} {'row' if table['row_count'] == 1 else 'rows'}"


def _quoted(quoted: Quoted) -> Document:
    return asdict(quoted)
