"""The report as JUnit XML, as Jenkins' plugin describes it: a test case for each object that was compared.

An object without drift passes. A check that could not run, a waived or left-out finding, and an object that changed
with another one are skipped, with the reason.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree import ElementTree as ET

from kms_schema.text.printable import in_a_line, in_lines
from kms_schema.validator.catalog.attributes import kind_and_name
from kms_schema.validator.diff.findings import Finding
from kms_schema.validator.formats.layout import Layout
from kms_schema.validator.formats.text import paragraph
from kms_schema.validator.report import Report
from kms_schema.validator.rules import RULES, Scope, Severity

_REVISION = "revision of the database"
_COULD_NOT_RUN = "KMS901"


class _Case(NamedTuple):
    suite: str
    name: str


@dataclass
class _Outcome:
    findings: list[Finding] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def failing(self, fail_on: Severity) -> list[Finding]:
        return [finding for finding in self.findings if finding.fails(fail_on)]


def write(report: Report, layout: Layout) -> str:
    """Return one XML document in ASCII. Other characters are references; characters that XML forbids are escaped."""
    root = ET.Element("testsuites", name="kms-schema validate")
    suites: dict[str, ET.Element] = {}
    for case, outcome in _outcomes(report).items():
        if case.suite not in suites:
            suites[case.suite] = _suite(root, case.suite, report)
        _write_case(suites[case.suite], case, outcome, layout)
    for suite in suites.values():
        _count(suite, suite)
    _count(root, root)
    del root.attrib["skipped"]  # the schema knows it for suites only
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=False)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + document.decode("ascii")


def _outcomes(report: Report) -> dict[_Case, _Outcome]:
    """Return the outcome of every check, in the order of the report's objects."""
    outcomes = {_Case("revision", _REVISION): _Outcome()}
    outcomes |= {_Case(kind_and_name(key)[0], key): _Outcome() for key in sorted(report.checked)}
    reported = [*report.findings, *report.left_out, *(waived.finding for waived in report.waived)]
    checked = (rule for rule in RULES.values() if rule.scope is Scope.POSTURE and rule.code not in report.not_checked)
    found = {finding.code for finding in reported}
    outcomes |= {_Case("posture", f"not found: {rule.title}"): _Outcome() for rule in checked if rule.code not in found}

    def of(finding: Finding) -> _Outcome:
        return outcomes.setdefault(_case(finding), _Outcome())

    for finding in report.findings:
        of(finding).findings.append(finding)
        if finding.code == _COULD_NOT_RUN:
            of(finding).skipped.append(f"could not run: {finding.actual}")
    for waived in report.waived:
        of(waived.finding).skipped.append(
            f"{waived.finding.code} {waived.finding.title}, waived until {waived.expires}: {waived.reason}"
        )
    for finding in report.left_out:
        of(finding).skipped.append(f"{finding.code} {finding.title}, left out by --select or --ignore")
    for finding in reported:
        for key in finding.also:
            reason = f"changed with {finding.object}: {finding.code} {finding.title}"
            outcomes.setdefault(_Case(kind_and_name(key)[0], key), _Outcome()).skipped.append(reason)
    return outcomes


def _case(finding: Finding) -> _Case:
    if finding.object == _REVISION:
        return _Case("revision", _REVISION)
    asked = RULES[finding.code].scope
    if asked is Scope.POSTURE:
        return _Case("posture", f"{finding.object}: {finding.title}")
    if asked is Scope.WAIVERS:
        return _Case("waivers", finding.object)
    return _Case(kind_and_name(finding.object)[0], finding.object)


def _suite(root: ET.Element, name: str, report: Report) -> ET.Element:
    suite = ET.SubElement(root, "testsuite", name=in_a_line(name))
    if report.checked_at is not None:
        suite.set("timestamp", report.checked_at.strftime("%Y-%m-%dT%H:%M:%S"))
    if len(root) == 1:
        properties = ET.SubElement(suite, "properties")
        attributes = {"verdict": report.verdict, "checked": report.about, "head": report.head}
        for attribute, value in attributes.items():
            ET.SubElement(properties, "property", name=attribute, value=in_a_line(value))
    return suite


def _write_case(suite: ET.Element, case: _Case, outcome: _Outcome, layout: Layout) -> None:
    classname = f"kms_schema.{in_a_line(case.suite).replace(' ', '_')}"
    element = ET.SubElement(suite, "testcase", name=in_a_line(case.name), classname=classname)
    failing = outcome.failing(layout.fail_on)
    if failing:
        # JUnit calls a check that could not run an error, and drift a failure.
        word = "error" if all(finding.code == _COULD_NOT_RUN for finding in failing) else "failure"
        _write_outcome(element, word, failing, layout)
    elif outcome.skipped:
        ET.SubElement(element, "skipped", message=in_a_line("; ".join(outcome.skipped)))
    notes = [*_text((finding for finding in outcome.findings if finding not in failing), layout)]
    notes += map(in_a_line, outcome.skipped if failing else ())
    if notes:
        ET.SubElement(element, "system-out").text = "\n".join(notes)


def _write_outcome(element: ET.Element, word: str, findings: list[Finding], layout: Layout) -> None:
    message = "; ".join(f"{finding.code} {finding.title}: {finding.impact}" for finding in findings)
    kind = " ".join(finding.code for finding in findings)
    outcome = ET.SubElement(element, word, type=kind, message=in_a_line(message))
    outcome.text = in_lines("\n".join(_text(findings, layout)))


def _text(findings: Iterable[Finding], layout: Layout) -> Iterator[str]:
    for finding in findings:
        yield from paragraph(finding, Layout(docs_url=layout.docs_url))


def _count(element: ET.Element, within: ET.Element) -> None:
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(name, str(sum(1 for _ in within.iter(tag))))
