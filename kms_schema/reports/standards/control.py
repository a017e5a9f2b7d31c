"""The declaration of a standard and of one of its controls."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """A control: its number in the standard, its requirement in our words, and the claims that answer it in part."""

    number: str
    asks: str
    claims: tuple[str, ...]
    """Names of `kms_schema.reports.claims.CLAIMS`."""
    left: str
    """The part that no database can answer, or that this one does not."""


@dataclass(frozen=True)
class Standard:
    """A standard, with the controls that the report answers."""

    name: str
    title: str
    controls: tuple[Control, ...]
