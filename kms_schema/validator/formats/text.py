"""The report as text: the most severe findings first, the verdict in the last line."""

import textwrap
from collections.abc import Iterator

from kms_schema.text.printable import end_of_words, in_a_line, in_lines
from kms_schema.validator.diff.findings import MANUAL_ACTION, Finding
from kms_schema.validator.formats.layout import Layout
from kms_schema.validator.on_demand import changed_lines
from kms_schema.validator.report import Report, Waived
from kms_schema.validator.rules import Severity

_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36"}
_ALSO_SHOWN = 8
_NARROWEST = 40
_LONG = 200
_LONGEST = 400
_AROUND = 40


def write(report: Report, layout: Layout) -> str:
    """Return the report as text, wrapped for a terminal, and in stable lines without one."""
    blocks = ["\n".join(paragraph(finding, layout)) for finding in report.worst_first]
    if report.waived:
        blocks.append("\n".join(line for waived in report.waived for line in _waived(waived, layout)))
    place = "\n".join(_wrapped(f"checked {in_a_line(report.about)}", layout))
    state = "31" if report.fails() else "32"
    verdict = "\n".join(_painted(line, f"1;{state}", layout) for line in _wrapped(report.verdict, layout))
    return "\n\n".join([*blocks, f"{place}\n{verdict}"])


def paragraph(finding: Finding, layout: Layout) -> Iterator[str]:
    """Yield the lines of one finding."""
    heading = f"{finding.severity} {finding.code} {in_a_line(finding.object)}: {finding.title}"
    first, *more = _wrapped(heading, layout)
    rest = first.removeprefix(finding.severity)
    yield _painted(finding.severity, _COLOURS[finding.severity], layout) + _painted(rest, "1", layout)
    yield from (_painted(line, "1", layout) for line in more)
    yield from _wrapped(in_a_line(finding.impact), layout, "  ")
    if "\n" in finding.expected and "\n" in finding.actual:
        yield "  expected (-) and actual (+):"
        for line in changed_lines(finding):
            yield from _wrapped(line, layout, "    ", "      ")
    else:
        expected, actual = excerpts(finding)
        yield from _labelled("expected:", expected, layout)
        yield from _labelled("actual:", actual, layout)
    if finding.also:
        more_of_them = f" and {len(finding.also) - _ALSO_SHOWN} more" if len(finding.also) > _ALSO_SHOWN else ""
        shown = ", ".join(map(in_a_line, finding.also[:_ALSO_SHOWN]))
        yield from _labelled("with it:", f"{shown}{more_of_them}", layout)
    if finding.remediation and finding.remediation.startswith(MANUAL_ACTION):
        yield from _labelled("manual:", in_lines(finding.remediation.removeprefix(MANUAL_ACTION)), layout)
    elif finding.remediation:
        # Never wrapped: a line break would change a literal that is copied.
        yield f"  fix:      {_abridged(finding.remediation)}"
        if in_lines(finding.remediation) != finding.remediation:
            yield from _wrapped(
                "(with characters that are not visible: --format json has the exact text)", layout, " " * 12
            )
    if uri := layout.help_uri(finding.code):
        yield from _labelled("help:", uri, layout)


def _waived(waived: Waived, layout: Layout) -> list[str]:
    finding = waived.finding
    what = f"{finding.severity} {finding.code} {in_a_line(finding.object)}: {finding.title}"
    return _wrapped(f"waived until {waived.expires}: {what}: {in_a_line(waived.reason)}", layout, "", "  ")


def _labelled(label: str, text: str, layout: Layout) -> list[str]:
    return _wrapped(text, layout, f"  {label:<10}", " " * 12)


def _abridged(text: str) -> str:
    """Return the first line, and the number of lines that follow."""
    first, *more = in_lines(text.strip()).split("\n")
    lines = "line" if len(more) == 1 else "lines"
    return f"{first.strip()} … ({len(more)} more {lines}: --format html)" if more else first


def excerpts(finding: Finding) -> tuple[str, str]:
    """Return both sides, each in a line; of two long sides the part in which they differ."""
    expected, actual = _abridged(finding.expected), _abridged(finding.actual)
    if min(len(expected), len(actual)) > _LONG:
        same = _alike(expected, actual)
        start = max(0, same - _AROUND)
        end = max(0, _alike(expected[same:][::-1], actual[same:][::-1]) - _AROUND)
        expected, actual = (_part(side, start, len(side) - end) for side in (expected, actual))
    return _cut(expected), _cut(actual)


def _part(text: str, start: int, end: int) -> str:
    """Return a part of a text, with the whole words at both of its ends."""
    start = text.rfind(" ", 0, start + 1) + 1
    end = len(text) if (blank := text.find(" ", end - 1)) < 0 else blank
    return f"{'… ' if start else ''}{text[start:end].strip()}{' …' if end < len(text) else ''}"


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    end = end_of_words(text, _LONG)
    return f"{text[:end]} … ({len(text) - end} more characters: --format html)"


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts have in common at the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((position for position, (left, right) in pairs if left != right), min(len(one), len(other)))


def _wrapped(text: str, layout: Layout, first: str = "", later: str = "  ") -> list[str]:
    """Break lines between words only, so that text copied from the terminal is intact."""
    if layout.width is None:
        return [first + text]
    width = max(layout.width, _NARROWEST)
    wrapper = textwrap.TextWrapper(
        width, first, max(first, later) if not first.strip() else later,
        break_long_words=False, break_on_hyphens=False, expand_tabs=False, replace_whitespace=False,
    )  # fmt: skip
    return wrapper.wrap(text) or [first.rstrip()]


def _painted(text: str, colour: str, layout: Layout) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if layout.colour else text
