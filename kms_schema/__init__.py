"""The database of a key-management system: models, SQL and a validator for PostgreSQL and SQLite."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kms_schema._version import __version__

if TYPE_CHECKING:
    from kms_schema.errors import KmsSchemaError
    from kms_schema.validator import Finding, Report, Severity, ValidationError, Waived, validate
    from kms_schema.validator.formats import render
    from kms_schema.validator.waivers import Waiver, WaiverError, read_waivers

__all__ = [
    "Finding",
    "KmsSchemaError",
    "Report",
    "Severity",
    "ValidationError",
    "Waived",
    "Waiver",
    "WaiverError",
    "__version__",
    "read_waivers",
    "render",
    "validate",
]  # fmt: skip


_WHERE = {
    **dict.fromkeys(("Finding", "Report", "Severity", "ValidationError", "Waived", "validate"), "kms_schema.validator"),
    **dict.fromkeys(("Waiver", "WaiverError", "read_waivers"), "kms_schema.validator.waivers"),
    "KmsSchemaError": "kms_schema.errors",
    "render": "kms_schema.validator.formats",
}


def __getattr__(name: str) -> Any:
    """Import the validator when it is first used: models and migrations need none of it."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
