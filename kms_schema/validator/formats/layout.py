"""How a report is laid out."""

from dataclasses import dataclass

from kms_schema.validator.rules import Severity


@dataclass(frozen=True)
class Layout:
    """How to write: what makes a check fail, and what the terminal can show; `width` None is no terminal."""

    fail_on: Severity = Severity.ERROR
    colour: bool = False
    width: int | None = None


PLAIN = Layout()
"""No colour and no terminal; errors fail a check."""
