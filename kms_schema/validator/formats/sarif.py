"""The report as SARIF 2.1.0, the Static Analysis Results Interchange Format of OASIS.

An object of a database is in no file: it is a logical location. Viewers that need a line of a file, such as GitHub's
code scanning, show nothing; `--format github` is for them.
"""

import hashlib
import json
from typing import Any

from kms_schema._version import __version__
from kms_schema.text.printable import in_lines
from kms_schema.validator.catalog.attributes import kind_and_name
from kms_schema.validator.diff.findings import Finding
from kms_schema.validator.formats.layout import Layout
from kms_schema.validator.report import Report, Waived
from kms_schema.validator.rules import KINDS, RULES, Rule, Severity

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_KINDS = frozenset(names[0] for names, _ in KINDS)
_POSITIONS = {code: position for position, code in enumerate(RULES)}


def write(report: Report, layout: Layout) -> str:
    """Return one run with a rule for each code and a result for each finding; waived ones are suppressed.

    Characters that are not ASCII are escaped, as in the format `json`.
    """
    driver = {
        "name": "kms-schema validate",
        "semanticVersion": __version__,
        "shortDescription": {"text": "Compares a database with the expected schema of kms-schema."},
        "rules": [_rule(rule, layout) for rule in RULES.values()],
    }
    results = [_result(finding, report) for finding in report.worst_first]
    results += [_suppressed(waived, report) for waived in report.waived]
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "kms-schema/validate/"},
        "invocations": [_invocation(report)],
        "results": results,
        "properties": {
            "verdict": report.verdict,
            "database": report.database,
            "engine": report.engine,
            "version": report.version,
            "schema": report.schema,
            "compared_with": report.compared_with,
            "head": report.head,
            "left_out": len(report.left_out),
        },
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(rule: Rule, layout: Layout) -> dict[str, Any]:
    title = rule.title
    uri = layout.help_uri(rule.code)  # SARIF requires an absolute one
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in title.replace("-", " ").split()),
        "shortDescription": {"text": title},
        "fullDescription": {"text": f"{title}: {rule.impact}"},
        "help": {"text": f"{rule.code}, {title}: {rule.impact}. Each result has the expected and the actual state."},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        **({"helpUri": uri} if uri else {}),
    }


def _invocation(report: Report) -> dict[str, Any]:
    ended = {"endTimeUtc": report.checked_at.strftime("%Y-%m-%dT%H:%M:%SZ")} if report.checked_at else {}
    return {"executionSuccessful": True, **ended}


def _result(finding: Finding, report: Report) -> dict[str, Any]:
    both = f"expected: {finding.expected}\nactual: {finding.actual}"
    about = {"object": finding.object, "expected": finding.expected, "actual": finding.actual}
    return {
        "ruleId": finding.code,
        "ruleIndex": _POSITIONS[finding.code],
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(f"{finding.object}: {finding.title}: {finding.impact}\n{both}")},
        "locations": [{"logicalLocations": [_location(finding.object, report.schema)]}],
        "partialFingerprints": {"codeAndObject/v1": _fingerprint(finding)},
        "properties": about | {"remediation": finding.remediation, "also": list(finding.also)},
    }


def _message(text: str) -> str:
    """Escape placeholders and links in the text of a message (SARIF 3.11.5 and 3.11.6)."""
    return in_lines(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _suppressed(waived: Waived, report: Report) -> dict[str, Any]:
    suppression = {
        "kind": "external",
        "status": "accepted",
        "justification": waived.reason,
        "properties": {"expires": waived.expires.isoformat()},
    }
    return {**_result(waived.finding, report), "suppressions": [suppression]}


def _location(key: str, schema: str) -> dict[str, str]:
    """Return the location of an object; one outside the schema (a role, a setting) has its name alone."""
    kind, name = kind_and_name(key)
    if kind not in _KINDS:
        return {"kind": kind, "name": name or key, "fullyQualifiedName": key}
    return {"kind": kind, "name": name.rpartition(".")[2], "fullyQualifiedName": f"{schema}.{name}"}


def _fingerprint(finding: Finding) -> str:
    """Return a fingerprint that is the same in every run for the same code and object."""
    return hashlib.sha256(f"{finding.code}\0{finding.object}".encode("utf-8", "surrogatepass")).hexdigest()
