"""The report as GitHub Actions' workflow commands, which are shown as annotations."""

from kms_schema.text.printable import in_a_line
from kms_schema.validator.formats.layout import Layout
from kms_schema.validator.report import Report
from kms_schema.validator.rules import Severity

_WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def write(report: Report, layout: Layout) -> str:
    """Return an annotation for each finding, a notice for each that is waived, and the verdict."""
    lines = [
        _command(
            _WORDS[finding.severity],
            f"{finding.code} {finding.object}",
            ": ".join(filter(None, (finding.title, finding.impact, layout.help_uri(finding.code)))),
        )
        for finding in report.worst_first
    ]
    lines += [
        _command(
            "notice",
            f"{waived.finding.code} {waived.finding.object}",
            f"{waived.finding.title}, waived until {waived.expires}: {waived.reason}",
        )
        for waived in report.waived
    ]
    return "\n".join([*lines, in_a_line(report.about), report.verdict])


def _command(word: str, title: str, message: str) -> str:
    return f"::{word} title={_escaped(in_a_line(title), '%:,')}::{_escaped(in_a_line(message), '%')}"


def _escaped(text: str, special: str) -> str:
    """Escape for a workflow command; properties escape more characters than messages."""
    return "".join(f"%{ord(character):02X}" if character in special else character for character in text)
