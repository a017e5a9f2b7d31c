"""The database of a key-management system: models, SQL and a validator for PostgreSQL and SQLite."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kms_schema.validation import validate

__all__ = ["__version__", "validate"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import `validate` when it is first used: models and migrations need none of it."""
    if name == "validate":
        from kms_schema.validation import validate  # noqa: PLC0415

        return validate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
