"""An object that is altered, as statements name it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog.attributes import ROUTINE_KINDS, kind_and_name, own_name

Changes = Mapping[str, tuple[Any, Any]]


_WORDS = {"partitioned table": "TABLE", "enum": "TYPE", "composite type": "TYPE"}


def word_of(kind: str) -> str:
    """Return how statements name a kind of object."""
    return _WORDS.get(kind, kind.upper())


@dataclass(frozen=True)
class Target:
    """An object that is altered: its key, its schema, and its expected attributes."""

    key: str
    schema: str
    expected: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The kind of the object."""
        return kind_and_name(self.key)[0]

    @property
    def last(self) -> str:
        """The quoted name without its table."""
        return quoted(own_name(self.key))

    @property
    def table(self) -> str:
        """The qualified table of the object."""
        return f"{quoted(self.schema)}.{quoted(self.expected['table'])}"

    @property
    def qualified(self) -> str:
        """The qualified name of a relation, index, sequence or type; that of statistics is in quotes already."""
        if self.kind == "statistics":
            name = kind_and_name(self.key)[1]
            return name if "schema" in self.expected else f"{quoted(self.schema)}.{name}"
        return f"{quoted(self.schema)}.{quoted(kind_and_name(self.key)[1])}"

    @property
    def named(self) -> str:
        """The kind and name as in ALTER, COMMENT and DROP."""
        kind, name = kind_and_name(self.key)
        if kind in {"constraint", "trigger", "rule", "policy"}:
            return f"{kind.upper()} {self.last} ON {self.table}"
        if kind == "column":
            return f"COLUMN {self.table}.{self.last}"
        if kind in ROUTINE_KINDS:
            return f"{kind.upper()} {quoted(self.schema)}.{name}"
        return f"{word_of(kind)} {self.qualified}"

    @property
    def alter(self) -> str:
        """The beginning of the ALTER statement."""
        return f"ALTER TABLE {self.table} ALTER COLUMN {self.last}" if self.kind == "column" else f"ALTER {self.named}"
