"""The objects that are compared: all of some schemas but ours, those of extensions and excluded ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kms_schema import snapshots
from kms_schema.text.identifiers import unquoted
from kms_schema.validator.catalog.attributes import (
    RELATION_KINDS,
    ROUTINE_KINDS,
    Attributes,
    Names,
    Objects,
    kind_and_name,
    names_of,
    routine,
)

_SEEN_FROM_THE_OTHER_SIDE = frozenset({"incoming reference", "child table"})
"""Foreign keys and tables of others, which are objects of their own where their schema is compared."""


@dataclass(frozen=True)
class Scope:
    """The objects that are compared: of `schemas`, without those that a pattern of `exclude` names.

    A pattern such as `tmp_*` or `audit.*` is for tables, views, functions and sequences, by name or `schema.name`.
    Indexes, triggers and all else of a table go with it. `*` stands for any text, `?` for a character. SQLite has one
    schema, `main`.
    """

    schemas: tuple[str, ...] = ("public",)
    exclude: tuple[str, ...] = ()

    def within(self, schema: str, objects: Objects) -> Objects:
        """Return the objects of a schema that are compared; members of extensions come and go with these."""
        left_out = {key for key, each in objects.items() if self._leaves_out(schema, key, each)}
        relations = {name for kind, name in map(kind_and_name, left_out) if kind in RELATION_KINDS}
        return {
            key: each for key, each in objects.items() if key not in left_out and each.get("table") not in relations
        }

    def _leaves_out(self, schema: str, key: str, attributes: Attributes) -> bool:
        if kind_and_name(key)[0] in _SEEN_FROM_THE_OTHER_SIDE:
            return True
        if str(attributes.get("extension", "")).startswith("member of "):
            return True
        kind, own = kind_and_name(key)
        name = attributes.get("table") or (unquoted(routine(own)) if kind in ROUTINE_KINDS else own)
        return any(fnmatchcase(each, glob) for each in (name, f"{schema}.{name}") for glob in self.exclude)


_AT_LEAST = 3
"""How many names of our tables make them ours: an application may have one or two of its own."""


def without_ours(engine: str, version: str, objects: Objects) -> tuple[Objects, bool]:
    """Return the objects without those of this package, and whether there are any.

    Alembic's table is ours where our tables are: the packaged snapshots have it.
    """
    revisions = snapshots.chain()
    head = snapshots.load(engine, revisions[-1], version)
    if len(_tables(head) & _tables(objects)) < _AT_LEAST:
        return objects, False
    names = names_of(*(snapshots.load(engine, each, version) for each in revisions))
    return {key: each for key, each in objects.items() if not _is_ours(key, each, names)}, True


def _tables(objects: Iterable[str]) -> set[str]:
    return {key for key in objects if key.startswith("table key_")}


def _is_ours(key: str, attributes: Attributes, names: Names) -> bool:
    kind, name = kind_and_name(key)
    if kind in ROUTINE_KINDS:
        return unquoted(routine(name)) in names.functions
    if kind == "sequence":
        return name in names.sequences
    return (name if kind in RELATION_KINDS else attributes.get("table")) in names.relations
