"""The report for programs: one JSON object."""

import json
from dataclasses import asdict

from kms_schema.validator.diff.findings import SEVERITIES, Finding
from kms_schema.validator.formats.layout import Layout
from kms_schema.validator.report import Report


def write(report: Report, layout: Layout) -> str:
    """Return the report as one JSON object; findings carry the same names as `Finding`.

    Characters outside ASCII are escaped: a JSON reader restores them, and a terminal is not affected.
    """
    document = {
        "tool": "kms-schema validate",
        "database": report.database,
        "checked_at": report.checked_at.isoformat(timespec="seconds") if report.checked_at else None,
        "engine": report.engine,
        "version": report.version,
        "schema": report.schema,
        "compared_with": report.compared_with,
        "head": report.head,
        "clean": not report.fails(),
        "verdict": report.verdict,
        "summary": {str(severity): report.count(severity) for severity in SEVERITIES},
        "checked": len(report.checked),
        "left_out": len(report.left_out),
        "probed": report.probed,
        "not_compared": list(report.not_compared),
        "findings": [_finding(finding, layout) for finding in report.findings],
        "waived": [
            {**_finding(waived.finding, layout), "reason": waived.reason, "expires": waived.expires.isoformat()}
            for waived in report.waived
        ],
    }
    return json.dumps(document, indent=2)


def _finding(finding: Finding, layout: Layout) -> dict[str, object]:
    uri = layout.help_uri(finding.code)
    return {**asdict(finding), "title": finding.title, **({"help_uri": uri} if uri else {})}
