"""The formats of a report: one module for each, imported when it is used."""

from importlib import import_module

from kms_schema.validator.formats.layout import DOCS_URL, PLAIN, Layout
from kms_schema.validator.report import Report

__all__ = ["DOCS_URL", "FORMATS", "Layout", "render"]

FORMATS = ("text", "json", "junit", "sarif", "github", "html")
"""The names of the formats, each the name of its module."""


def render(report: Report, style: str = "text", layout: Layout = PLAIN) -> str:
    """Return the report as text.

    `style` is one of `FORMATS`; `layout` has the severity that fails a check, and the colours and the width of the
    terminal. Raises `ValueError` for another style.

        Path("report.html").write_text(render(validate(connection), "html"), encoding="utf-8")
    """
    if style not in FORMATS:
        raise ValueError(f"there is no format {style!r}, only {', '.join(FORMATS)}")
    text: str = import_module(f"{__name__}.{style}").write(report, layout)
    return text
