"""The list of the values that columns refuse: see `declared`."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kms_schema.validator.probe.attempt import Engine

_LIST = Path(__file__).with_name("declared.json")


@dataclass(frozen=True)
class Declared:
    """A value that a column refuses."""

    table: str
    column: str
    refused: Any
    rule: str = ""
    """The name of the CHECK; none for NOT NULL and for the length of a type."""
    accepted: Any = None
    """The nearest value that the column accepts; None if the probe's own row has one."""
    length: int | None = None
    """The number of characters that the type accepts."""
    alone: bool = False
    """The value violates no other rule of its column."""
    engine: Engine | None = None


@cache
def declared() -> tuple[Declared, ...]:
    """Return the list."""
    return tuple(Declared(**each) for each in json.loads(_LIST.read_text("utf-8")))
