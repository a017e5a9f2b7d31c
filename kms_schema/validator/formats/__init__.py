"""How a report is written: one module for each format, imported when it is asked for."""

from dataclasses import dataclass
from importlib import import_module

from kms_schema.validator.report import Report
from kms_schema.validator.rules import Severity

FORMATS = ("text", "json", "junit", "sarif", "github", "html")
"""The names of the formats, which are those of the modules."""


@dataclass(frozen=True)
class Layout:
    """How to write: what makes a check fail, and what the terminal can show; `width` None is no terminal."""

    fail_on: Severity = Severity.ERROR
    colour: bool = False
    width: int | None = None


def render(report: Report, style: str = "text", layout: Layout = Layout()) -> str:
    """Return the report in one of `FORMATS`; raises ValueError for any other."""
    if style not in FORMATS:
        raise ValueError(f"there is no format {style!r}, only {', '.join(FORMATS)}")
    text = import_module(f"{__name__}.{style}").write(report, layout)
    assert isinstance(text, str)  # noqa: S101
    return text
