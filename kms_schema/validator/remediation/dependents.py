"""The dependents that are dropped before an object and created again after it."""

from collections.abc import Iterable, Iterator

from kms_schema.validator.catalog.attributes import Objects, kind_and_name, own_name

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
