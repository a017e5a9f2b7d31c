"""The report of a validation, and how it is written: for people, for programs, and for GitHub's
annotations."""

import difflib
import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace

from kms_schema.validation.findings import SEVERITIES, Finding, Severity

_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36"}
_ALSO_SHOWN = 8


@dataclass(frozen=True)
class Report:
    """What was found. `compared_with` is the revision whose snapshot was used, `version` that of the server
    or library.
    """

    engine: str
    version: str
    schema: str
    compared_with: str | None
    head: str
    findings: tuple[Finding, ...]
    left_out: int = 0

    def count(self, severity: Severity) -> int:
        """Return how many findings have this severity."""
        return sum(finding.severity is severity for finding in self.findings)

    def fails(self, fail_on: Severity = Severity.ERROR) -> bool:
        """Return whether any finding is as bad as `fail_on`, or worse."""
        bar = SEVERITIES.index(fail_on)
        return any(SEVERITIES.index(finding.severity) <= bar for finding in self.findings)

    def only(self, select: Collection[str], ignore: Collection[str]) -> "Report":
        """Keep the findings whose code begins with one in `select` (all, if empty) and with none in
        `ignore`.
        """
        kept = tuple(
            finding
            for finding in self.findings
            if finding.code.startswith(tuple(select) or "") and not finding.code.startswith(tuple(ignore) or "-")
        )
        return replace(self, findings=kept, left_out=self.left_out + len(self.findings) - len(kept))

    @property
    def verdict(self) -> str:
        """The whole report in a line."""
        counts = ", ".join(
            f"{number} {severity}{'s' if number != 1 and severity is not Severity.INFO else ''}"
            for severity in SEVERITIES
            if (number := self.count(severity))
        )
        unknown = sum(finding.code == "KMS901" for finding in self.findings)
        doubt = f"; {unknown} check{'s' if unknown > 1 else ''} could not run" if unknown else ""
        left = f"; {self.left_out} left out by --select or --ignore" if self.left_out else ""
        place = f"{self.engine} {self.version}, schema {self.schema}"
        place += f", compared with {self.compared_with or 'nothing'}"
        state = "different" if self.fails() else "as the package made it"
        return f"{state}: {counts or 'no findings'} ({place}{doubt}{left})"


def as_json(report: Report) -> str:
    """Return the report as one JSON object; findings carry the same names as `Finding`."""
    document = {
        "tool": "kms-schema validate",
        "engine": report.engine,
        "version": report.version,
        "schema": report.schema,
        "compared_with": report.compared_with,
        "head": report.head,
        "clean": not report.fails(),
        "verdict": report.verdict,
        "summary": {str(severity): report.count(severity) for severity in SEVERITIES},
        "left_out": report.left_out,
        "findings": [{**asdict(finding), "title": finding.title} for finding in report.findings],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_text(report: Report, colour: bool = False) -> str:
    """Return the report for people: findings worst first, the verdict last."""
    blocks = ["\n".join(_paragraph(finding, colour)) for finding in _worst_first(report)]
    state = "31" if report.fails() else "32"
    return "\n\n".join([*blocks, _painted(report.verdict, f"1;{state}", colour)])


def as_github(report: Report) -> str:
    """Return workflow commands that GitHub shows as annotations, and the verdict."""
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
    lines = [
        f"::{words[finding.severity]} title={_escaped(f'{finding.code} {finding.object}', ':,')}"
        f"::{_escaped(f'{finding.title}: {finding.meaning}')}"
        for finding in _worst_first(report)
    ]
    return "\n".join([*lines, report.verdict])


def _worst_first(report: Report) -> list[Finding]:
    return sorted(
        report.findings,
        key=lambda finding: (SEVERITIES.index(finding.severity), finding.code, finding.object),
    )


def _paragraph(finding: Finding, colour: bool) -> Iterator[str]:
    severity = _painted(str(finding.severity), _COLOURS[finding.severity], colour)
    yield f"{severity} {finding.code} {_painted(finding.object, '1', colour)}: {finding.title}"
    yield f"  {finding.meaning}"
    if "\n" in finding.expected and "\n" in finding.actual:
        yield from _changed_lines(finding)
    else:
        yield f"  expected: {_abridged(finding.expected)}"
        yield f"  actual:   {_abridged(finding.actual)}"
    if finding.also:
        more = f" and {len(finding.also) - _ALSO_SHOWN} more" if len(finding.also) > _ALSO_SHOWN else ""
        yield f"  with it:  {', '.join(finding.also[:_ALSO_SHOWN])}{more}"
    if finding.mend:
        yield f"  mend:     {_abridged(finding.mend)}"


def _abridged(text: str) -> str:
    """Show the first of many lines: the rest is in the other formats."""
    first, *more = text.strip().splitlines()
    return f"{first.strip()} … ({len(more)} more lines: --format json)" if more else first


def _changed_lines(finding: Finding) -> Iterator[str]:
    """Show long text as a difference: - what was expected, + what is."""
    lines = difflib.unified_diff(finding.expected.splitlines(), finding.actual.splitlines(), lineterm="", n=1)
    yield "  expected (-) and actual (+):"
    yield from (f"    {line}" for line in list(lines)[2:])


def _painted(text: str, colour: str, on: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if on else text


def _escaped(text: str, more: str = "") -> str:
    """Escape as workflow commands want it; `more` are characters that properties have to escape, too."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
