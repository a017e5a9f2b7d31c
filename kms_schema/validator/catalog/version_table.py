"""Alembic's table of this history: its place, and whether a host application shares it."""

import json
import re
from dataclasses import dataclass
from typing import Self

from kms_schema.snapshots import Attributes, Objects
from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog.attributes import Revisions, ValidationError

DEFAULT = "alembic_version"
"""The name of the table in the snapshots."""

_NAME = re.compile(r"(?:(?P<schema>[a-z_]\w*)\.)?(?P<name>[a-z_]\w*)", re.ASCII)


@dataclass(frozen=True)
class VersionTable:
    """The table in which Alembic stores the revision."""

    schema: str
    name: str
    apart: bool
    """True if it is in another schema than the objects; then it is not compared."""

    @classmethod
    def parse(cls, written: str, schema: str) -> Self:
        """Parse `table` or `schema.table`; `schema` is the schema of the objects. Raises `ValidationError`."""
        match = _NAME.fullmatch(written)
        if match is None:
            raise ValidationError(f"{written!r} names no version table: write a table, or schema.table")
        found = match["schema"] or schema
        return cls(found, match["name"], apart=found != schema)

    def qualified(self, engine: str) -> str:
        """Return the table as SQL names it."""
        return quoted(self.name) if engine == "sqlite" else f"{quoted(self.schema)}.{quoted(self.name)}"

    def placed(self, expected: Objects, revisions: Revisions, ours: frozenset[str]) -> Objects:
        """Return the expected objects with this table instead of `alembic_version`, or without a version table.

        In the history of a host application the table has the host's revisions as well, and belongs to the host.
        """
        stamped = set(revisions.stamped or ())
        if self.apart or (stamped & ours and stamped - ours):
            return {
                key: attributes for key, attributes in expected.items() if not _is_of_version_table(key, attributes)
            }
        if self.name == DEFAULT:
            return expected
        renamed: Objects = json.loads(json.dumps(expected).replace(DEFAULT, self.name))
        return renamed


def _is_of_version_table(key: str, attributes: Attributes) -> bool:
    return key == f"table {DEFAULT}" or attributes.get("table") == DEFAULT
