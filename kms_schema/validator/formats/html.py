"""The report as one HTML page without scripts, fonts, pictures or network.

The verdict comes first, then the two sides of the comparison, then the findings, the most severe first.
"""

import html
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.resources import files

from kms_schema._version import __version__
from kms_schema.text.printable import in_a_line, in_lines
from kms_schema.validator.catalog.attributes import kind_and_name
from kms_schema.validator.diff.findings import MANUAL_ACTION, SEVERITIES, Finding
from kms_schema.validator.formats.changed_lines import changed_lines
from kms_schema.validator.formats.layout import Layout
from kms_schema.validator.formats.text import excerpts
from kms_schema.validator.report import Report
from kms_schema.validator.rules import Severity

_HEADINGS = {Severity.ERROR: "Errors", Severity.WARNING: "Warnings", Severity.INFO: "For information"}
_SIGNS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.INFO: "i"}
_SHOWN_WHOLE = 300
# Nothing is loaded or run, whatever text is in the page.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write(report: Report, layout: Layout) -> str:
    """Return the page in ASCII, so that it does not depend on an encoding."""
    style = files("kms_schema.validator.formats").joinpath("html.css").read_text(encoding="utf-8")
    title = f"{report.state}: {report.database or report.schema}"
    page = "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en" dir="ltr">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{_line(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>",
            *_header(report),
            "<main>",
            *_findings(report, layout),
            *_waived(report, layout),
            *_checked(report),
            "</main>",
            f"<footer>kms-schema {__version__}, <code>kms-schema validate</code></footer>\n</body>\n</html>",
        ]
    )
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _header(report: Report) -> Iterator[str]:
    good = not report.fails()
    yield f'<header class="{"good" if good else "bad"}">'
    answer = report.state
    yield f"<h1>{'✓' if good else '✗'} {answer[0].upper() + answer[1:]}</h1>"
    yield f'<p class="verdict">{_line(report.verdict.partition(": ")[2].capitalize())}</p>'
    yield "<dl>"
    for name, value in _summary(report):
        yield f"<div><dt>{name}</dt><dd><bdi>{_line(value)}</bdi></dd></div>"
    yield "</dl>\n</header>"


def _summary(report: Report) -> Iterator[tuple[str, str]]:
    if report.database:
        yield "Database", report.database
    yield "Engine", f"{report.engine} {report.version}"
    yield "Schema", report.schema
    yield "Compared with", _compared_with(report)
    if report.checked_at is not None:
        yield "Checked", report.checked_at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _compared_with(report: Report) -> str:
    if report.compared_with is None:
        return "nothing"
    if report.of_host:
        return report.compared_with
    newest = " (the newest)" if report.compared_with == report.head else f"; the newest is {report.head}"
    return f"revision {report.compared_with}{newest}"


def _findings(report: Report, layout: Layout) -> Iterator[str]:
    for severity in SEVERITIES:
        findings = [finding for finding in report.worst_first if finding.severity is severity]
        if findings:
            yield f'<section class="{severity}">\n<h2>{_HEADINGS[severity]} <span>{len(findings)}</span></h2>'
            for finding in findings:
                yield from _finding(finding, layout)
            yield "</section>"


def _finding(finding: Finding, layout: Layout) -> Iterator[str]:
    yield "<article>"
    sign = f'<span class="sign" title="{finding.severity}">{_SIGNS[finding.severity]}</span>'
    yield f"<h3>{sign} <bdi>{_line(finding.object)}</bdi>: {_line(finding.title)} {_code(finding, layout)}</h3>"
    yield f"<p>{_line(finding.impact[:1].upper() + finding.impact[1:])}.</p>"
    if "\n" in finding.expected and "\n" in finding.actual:
        yield from _difference(finding)
    else:
        yield '<dl class="sides">'
        sides = ("Expected", finding.expected), ("Actual", finding.actual)
        for (name, whole), excerpt in zip(sides, excerpts(finding), strict=True):
            yield f"<div><dt>{name}</dt><dd>{_side(whole, excerpt)}</dd></div>"
        yield "</dl>"
    if finding.also:
        yield f'<details class="also"><summary>{len(finding.also)} more changed or disappeared with it</summary>'
        yield f"{_list(finding.also)}</details>"
    if finding.remediation and finding.remediation.startswith(MANUAL_ACTION):
        yield f"<h4>Manual action</h4><p>{_line(finding.remediation.removeprefix(MANUAL_ACTION))}</p>"
    elif finding.remediation:
        yield "<h4>SQL that fixes it <small>(a click marks it all)</small></h4>"
        yield f'<pre class="fix"><code>{_lines(finding.remediation)}</code></pre>'
        if in_lines(finding.remediation) != finding.remediation:
            yield "<p>It contains characters that are not visible, shown here as <code>\\u…</code>;"
            yield " <code>--format json</code> has the exact text.</p>"
    yield "</article>"


def _code(finding: Finding, layout: Layout) -> str:
    uri = layout.help_uri(finding.code)
    code = f"<code>{finding.code}</code>"
    return f'<a href="{html.escape(uri)}">{code}</a>' if uri else code


def _side(whole: str, excerpt: str) -> str:
    if len(whole) <= _SHOWN_WHOLE:
        return f"<pre>{_lines(whole)}</pre>"
    excerpt = excerpt.partition(" … (")[0] + " …" if excerpt.endswith("--format html)") else excerpt
    shown = f"<pre>{html.escape(excerpt)}</pre>"
    return f"{shown}<details><summary>All of it</summary><pre>{_lines(whole)}</pre></details>"


def _difference(finding: Finding) -> Iterator[str]:
    kinds = {"-": "del", "+": "ins"}
    lines = (
        f"<{kinds[line[0]]}>{html.escape(line)}</{kinds[line[0]]}>" if line[:1] in kinds else html.escape(line)
        for line in changed_lines(finding)
    )
    yield "<h4>Expected (<del>-</del>) and actual (<ins>+</ins>)</h4>"
    yield '<pre class="difference">' + "\n".join(lines) + "</pre>"


def _waived(report: Report, layout: Layout) -> Iterator[str]:
    if not report.waived:
        return
    yield f'<section class="waived">\n<h2>Waived <span>{len(report.waived)}</span></h2>'
    for waived in report.waived:
        finding = waived.finding
        yield f"<article>\n<h3><bdi>{_line(finding.object)}</bdi>: {finding.title} {_code(finding, layout)}</h3>"
        reason = f"accepted until {waived.expires}: <bdi>{_line(waived.reason)}</bdi>"
        yield f"<p>{finding.severity.capitalize()}, {reason}</p>\n</article>"
    yield "</section>"


def _checked(report: Report) -> Iterator[str]:
    if not report.checked:
        return
    kinds = Counter(kind_and_name(key)[0] for key in report.checked)
    counts = ", ".join(f"{kind} ({number})" for kind, number in sorted(kinds.items()))
    yield f'<section class="checked">\n<h2>Compared <span>{len(report.checked)}</span></h2>'
    yield f"<p>{_line(counts)}.</p>"
    yield f"<details><summary>All of them by name</summary>{_list(sorted(report.checked))}</details>\n</section>"


def _list(keys: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li><bdi>{_line(key)}</bdi></li>" for key in keys) + "</ul>"


def _line(text: str) -> str:
    return html.escape(in_a_line(text))


def _lines(text: str) -> str:
    return html.escape(in_lines(text))
