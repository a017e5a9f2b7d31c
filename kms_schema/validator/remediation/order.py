"""The order of fixes: each object is created after the objects that it needs, and dropped before them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kms_schema.validator.catalog.attributes import RELATION_KINDS, Objects, kind_and_name, own_name
from kms_schema.validator.diff.compare import Difference, Kind


def in_order_of_fixes(differences: Sequence[Difference], expected: Objects, actual: Objects) -> list[Difference]:
    """Return the differences so that the fix of each finds what it needs, as far as they do not need each other.

    An object is created after what it needs. An unexpected object is dropped before what it needs, and before an object
    of its name is created.
    """
    roots = {key: each.key for each in differences for key in (each.key, *each.also)}
    by_key = {each.key: each for each in differences}
    first: dict[str, list[str]] = {each.key: [] for each in differences}
    names: dict[str, str] = {}
    for each in differences:
        if each.kind is Kind.UNEXPECTED:
            names[_name_in_the_schema(each.key)] = each.key
    for each in differences:
        for key in (each.key, *each.also):
            if each.kind is Kind.UNEXPECTED:
                for needed in _differing(key, actual, roots):
                    first[needed].append(each.key)
            else:
                same_name = names.get(_name_in_the_schema(key))
                first[each.key] += [*([same_name] if same_name else ()), *_differing(key, expected, roots)]
    ordered: dict[str, Difference] = {}

    def visit(key: str, open_ones: frozenset[str]) -> None:
        if key not in ordered and key not in open_ones:
            for needed in first[key]:
                visit(needed, open_ones | {key})
            ordered.setdefault(key, by_key[key])

    for each in differences:
        visit(each.key, frozenset())
    return list(ordered.values())


def _name_in_the_schema(key: str) -> str:
    """Return the name that no other object of the same sort may have; a constraint has it for its index."""
    kind = kind_and_name(key)[0]
    in_common = kind in RELATION_KINDS or kind in {"index", "sequence", "constraint"}
    return own_name(key) if in_common else key


def _differing(key: str, objects: Objects, roots: Mapping[str, str]) -> Iterator[str]:
    """Yield the differences that an object needs, directly or by what does not differ."""
    unread: list[str] = [key]
    seen = {key}
    while unread:
        for needed in sorted(objects.get(unread.pop(), {}).get("needs", ())):
            if needed in seen:
                continue
            seen.add(needed)
            root = roots.get(needed)
            if root is None:
                unread.append(needed)
            elif root != roots[key]:
                yield root


_BLOCKING = frozenset({"view", "materialized view", "trigger", "policy"})
"""Kinds of objects that block a change of the objects they read. The server rebuilds indexes and constraints itself."""


def dependents_of(key: str, objects: Objects) -> list[str]:
    """Return the objects that block dropping or retyping `key`, with their dependents, in the order of creation.

    A unique key is also blocked by the foreign keys that refer to its index.
    """
    index = f"index {own_name(key)}"
    unique = {key, index} if key.startswith("constraint ") and of_a_constraint(index, objects) else {key}
    reached = set(unique)
    grown = True
    while grown:
        more = {
            other
            for other, attributes in objects.items()
            if other not in reached
            and reached & set(attributes.get("needs", ()))
            and (
                kind_and_name(other)[0] in _BLOCKING
                or _attached(attributes.get("table"), reached)
                or (index in unique and other.startswith("constraint ") and index in attributes.get("needs", ()))
            )
        }
        reached |= more
        grown = bool(more)
    return made_in_order(reached - unique, objects)


def made_in_order(keys: Iterable[str], objects: Objects) -> list[str]:
    """Return the keys in the order in which each comes after what it needs."""
    wanted, done = set(keys), list[str]()

    def visit(key: str) -> Iterator[str]:
        if key in wanted:
            wanted.discard(key)
            for needed in sorted(objects[key].get("needs", ())):
                yield from visit(needed)
            yield key

    for key in sorted(wanted):
        done += visit(key)
    return done


def of_a_constraint(key: str, objects: Objects) -> bool:
    """Return whether an index belongs to a constraint."""
    return key.startswith("index ") and any(
        need.startswith("constraint ") for need in objects.get(key, {}).get("needs", ())
    )


def _attached(table: str | None, reached: set[str]) -> bool:
    """Return whether `table` is a view that is dropped, and the object with it."""
    return table is not None and not reached.isdisjoint({f"view {table}", f"materialized view {table}"})
