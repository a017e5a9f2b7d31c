"""How a report is written: one module for each format, imported when it is asked for."""

from importlib import import_module

from kms_schema.validator.formats.layout import PLAIN, Layout
from kms_schema.validator.report import Report

__all__ = ["FORMATS", "Layout", "render"]

FORMATS = ("text", "json", "junit", "sarif", "github", "html")
"""The names of the formats, which are those of the modules."""


def render(report: Report, style: str = "text", layout: Layout = PLAIN) -> str:
    """Return the report in one of `FORMATS`; raises ValueError for any other."""
    if style not in FORMATS:
        raise ValueError(f"there is no format {style!r}, only {', '.join(FORMATS)}")
    text: str = import_module(f"{__name__}.{style}").write(report, layout)
    return text
