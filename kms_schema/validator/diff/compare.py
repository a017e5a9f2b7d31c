"""Compare the expected objects with the actual ones: dictionaries in, differences out, one for each cause.

There is no connection here. A missing table is one difference, without one for each of its columns: objects that
changed because of another one are listed in its `Difference.also`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from kms_schema.text.identifiers import literal, quoted
from kms_schema.validator.catalog.attributes import (
    RELATION_KINDS,
    ROUTINE_KINDS,
    TYPE_KINDS,
    Attributes,
    Objects,
    kind_and_name,
    own_name,
    split_name,
)


class Kind(StrEnum):
    """How an object differs."""

    MISSING = "missing"
    UNEXPECTED = "unexpected"
    CHANGED = "changed"
    RENAMED = "renamed"


@dataclass(frozen=True)
class Difference:
    """One cause: `attributes` has the expected and the actual value by name, `also` the keys that changed with it."""

    key: str
    kind: Kind
    attributes: Mapping[str, tuple[Any, Any]]
    also: tuple[str, ...] = ()


# Attributes that contain names and types of needed objects, and so change with them.
_RENDERED = frozenset({
    "definition", "default", "generated", "using", "check", "columns", "owned_by", "function", "deferrable",
})  # fmt: skip
# Attributes of a needed object that appear in the rendered attributes of its dependents.
_SHOWING = frozenset({"type", "collation", "definition", "columns", "arguments", "returns", "generated"})
# Attributes that an object inherits from what it belongs to.
_HANDED_DOWN = frozenset({"owner", "persistence"})
# Of two missing objects that need each other (a column and its sequence) the first kind here is the cause.
_ORDER = (
    *TYPE_KINDS, *ROUTINE_KINDS, *RELATION_KINDS, "child table", "column", "sequence", "constraint", "index",
)  # fmt: skip


def compare(expected: Objects, actual: Objects) -> tuple[Difference, ...]:
    """Return the differences, one for each cause, ordered by kind and name."""
    differences = _differences(expected, actual)
    needs = {
        key: frozenset(expected.get(key, {}).get("needs", ())) | frozenset(actual.get(key, {}).get("needs", ()))
        for key in differences
    }
    causes = {key: _cause(differences[key], differences, needs) for key in differences}
    also: dict[str, list[str]] = {}
    for key in sorted(differences):
        root = _root(key, causes)
        if root != key:
            also.setdefault(root, []).append(key)
    roots = (key for key in differences if _root(key, causes) == key)
    return tuple(replace(differences[key], also=tuple(also.get(key, ()))) for key in sorted(roots, key=_rank))


def fill_in(objects: Objects, schema: str, owner: str, identifier: str | None = None) -> Objects:
    """Return the expected objects with the schema and the owner of a database in place of `{schema}` and `{owner}`.

    `identifier` is the schema as that server writes it in SQL, since key words differ with its version.
    """
    names = {
        "'{schema}'": literal(schema),
        "{schema}": quoted(schema) if identifier is None else identifier,
        "{owner}": owner,
    }
    # In one pass: a schema may be named {owner}.
    symbol = re.compile("|".join(map(re.escape, names)))

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return symbol.sub(lambda match: names[match[0]], value) if "{" in value else value
        return [filled(item) for item in value] if isinstance(value, list) else value

    return {key: {name: filled(value) for name, value in attributes.items()} for key, attributes in objects.items()}


def usual_owner(objects: Objects) -> str:
    """Return the role that owns most of these objects, so that one table with another owner is the finding."""
    owners = sorted(attributes["owner"] for attributes in objects.values() if "owner" in attributes)
    return max(owners, key=owners.count) if owners else ""


def _differences(expected: Objects, actual: Objects) -> dict[str, Difference]:
    found: dict[str, Difference] = {}
    for key in sorted(expected.keys() | actual.keys()):
        if key not in actual:
            found[key] = Difference(key, Kind.MISSING, {})
        elif key not in expected:
            found[key] = Difference(key, Kind.UNEXPECTED, {})
        elif changed := changed_attributes(expected[key], actual[key]):
            found[key] = Difference(key, Kind.CHANGED, changed)
    return _with_renames(found, expected, actual)


def changed_attributes(expected: Attributes, actual: Attributes) -> dict[str, tuple[Any, Any]]:
    """Return the attributes that differ, each with the expected and the actual value; None is the default."""
    changed: dict[str, tuple[Any, Any]] = {}
    for name in sorted((expected.keys() | actual.keys()) - {"needs"}):
        should, does = expected.get(name), actual.get(name)
        if name == "columns" and "definition" not in expected:
            # Columns of a table are objects of their own; only their order is compared.
            should, does = should or [], does or []
            should, does = [c for c in should if c in does], [c for c in does if c in should]
        if should != does:
            changed[name] = (should, does)
    return changed


def _with_renames(found: dict[str, Difference], expected: Objects, actual: Objects) -> dict[str, Difference]:
    """Join a missing object and an unexpected one of its kind that differ in nothing but their names."""
    unexpected = [key for key, difference in found.items() if difference.kind is Kind.UNEXPECTED]
    for key in [key for key, difference in found.items() if difference.kind is Kind.MISSING]:
        kind, name = kind_and_name(key)
        if kind in RELATION_KINDS:
            continue
        twins = [
            other
            for other in unexpected
            if kind_and_name(other)[0] == kind
            and not changed_attributes(expected[key], actual[other]).keys() - {"not_null_constraint"}
        ]
        if len(twins) == 1:
            unexpected.remove(twins[0])
            del found[twins[0]]
            found[key] = Difference(key, Kind.RENAMED, {"name": (name, kind_and_name(twins[0])[1])})
    return found


def _cause(
    difference: Difference, differences: Mapping[str, Difference], needs: Mapping[str, frozenset[str]]
) -> str | None:
    """Return the key of the difference that this one follows from, if any."""
    needed = sorted(needs[difference.key], key=_rank)
    for key in needed:
        other = differences.get(key)
        mutual = difference.key in needs.get(key, ()) and _rank(key) > _rank(difference.key)
        if other is not None and not mutual and _follows(difference, other):
            return key
    if kind_and_name(difference.key)[0] == "incoming reference":
        return _foreign_key_of_a_renamed_table(difference, differences)
    if difference.kind is Kind.CHANGED and difference.attributes.keys() <= _HANDED_DOWN:
        for key in _all_needs(difference.key, needs, differences):
            other = differences[key]
            if all(other.attributes.get(name) == change for name, change in difference.attributes.items()):
                return key
    return None


def _foreign_key_of_a_renamed_table(difference: Difference, differences: Mapping[str, Difference]) -> str | None:
    """Return the missing constraint of this name: its table was renamed, and looks like a host's."""
    name = difference.key.rpartition(".")[2]
    return next(
        (
            key
            for key, other in sorted(differences.items())
            if other.kind is Kind.MISSING and key.startswith("constraint ") and key.endswith(f".{name}")
        ),
        None,
    )


def _follows(difference: Difference, cause: Difference) -> bool:
    match difference.kind:
        case Kind.MISSING:
            return cause.kind is Kind.MISSING
        case Kind.UNEXPECTED:
            # An identity column creates its sequence.
            return cause.kind in {Kind.UNEXPECTED, Kind.RENAMED} or "identity" in cause.attributes
        case Kind.CHANGED:
            shows = cause.kind in {Kind.MISSING, Kind.RENAMED} or _changes_others(cause)
            # The index of a constraint is created with it.
            of_constraint = difference.key.startswith("index ") and cause.key.startswith("constraint ")
            return shows and (of_constraint or difference.attributes.keys() <= _RENDERED)
        case Kind.RENAMED:
            # An index has the name of its constraint.
            of_constraint = cause.key.startswith("constraint ")
            return of_constraint and cause.kind is Kind.RENAMED and _new_name(cause) == _new_name(difference)
    return False


def _changes_others(cause: Difference) -> bool:
    """Return whether definitions of dependents change with an object. On SQLite they stay as they were written."""
    if cause.key.startswith("table ") or (cause.key.startswith("column ") and "definition" in cause.attributes):
        return False
    shown = _SHOWING if cause.key.startswith("constraint ") else _SHOWING - {"definition"}
    return bool(cause.attributes.keys() & shown)


def _new_name(difference: Difference) -> str:
    _, actual = difference.attributes["name"]
    return own_name(f"{kind_and_name(difference.key)[0]} {actual}")


def _all_needs(key: str, needs: Mapping[str, frozenset[str]], differences: Mapping[str, Difference]) -> Iterable[str]:
    """Return the differences that `key` needs, directly or not; a column stands for its table as well."""
    unread, seen = [key], {key}
    while unread:
        for needed in needs.get(unread.pop(), frozenset()):
            kind, name = kind_and_name(needed)
            reached = {needed, f"table {split_name(name)[0]}"} if kind == "column" else {needed}
            unread += reached - seen
            seen |= reached
    return sorted((seen - {key}) & differences.keys())


def _root(key: str, causes: Mapping[str, str | None]) -> str:
    seen = {key}
    while (cause := causes.get(key)) is not None and cause not in seen:
        key = cause
        seen.add(key)
    return key


def _rank(key: str) -> tuple[int, str]:
    kind, _ = kind_and_name(key)
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER), key)
