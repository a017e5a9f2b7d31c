"""Run the validator on a test's database, and say what it found."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

from kms_schema import validate
from kms_schema.validator import Report
from kms_schema.validator.diff.findings import MANUAL_ACTION
from kms_schema.validator.rules import RULES, Remediation
from support.engines import Database
from support.engines.database import Connection


def report_on(database: Database, **options: bool) -> Report:
    with closing(database.connect()) as connection:
        report = validate(connection, **options)
    manual = [finding for finding in report.findings if RULES[finding.code].remediation is Remediation.MANUAL]
    assert [finding for finding in manual if not (finding.remediation or "").startswith(MANUAL_ACTION)] == []
    return report


def found(report: Report) -> list[tuple[str, str]]:
    """Return codes and objects, those about the server's roles left out: see `posture`."""
    return [(finding.code, finding.object) for finding in report.findings if not finding.code.startswith("KMS4")]


def posture(report: Report) -> list[tuple[str, str]]:
    return [(finding.code, finding.object) for finding in report.findings if finding.code.startswith("KMS4")]


def run(connection: Connection, drift: str | Callable[[sqlite3.Connection], None]) -> None:
    if callable(drift):
        assert isinstance(connection, sqlite3.Connection)
        drift(connection)
    elif isinstance(connection, sqlite3.Connection):
        connection.executescript(drift)
    else:
        connection.execute(drift)
