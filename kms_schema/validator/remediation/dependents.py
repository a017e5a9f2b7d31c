"""Which objects have to go before another can, and come back after it."""

from collections.abc import Iterable, Iterator

from kms_schema.validator.catalog.attributes import Objects, kind_and_name

_BLOCKING = frozenset({"view", "materialized view", "trigger", "policy"})
"""Kinds that keep the server from changing what they read; indexes and constraints it makes anew itself."""


def dependents_of(key: str, objects: Objects) -> list[str]:
    """Return what stands in the way of dropping or retyping `key`, with all that hangs on it, as it can be made."""
    reached = {key}
    grown = True
    while grown:
        more = {
            other
            for other, attributes in objects.items()
            if other not in reached
            and reached & set(attributes.get("needs", ()))
            and (kind_and_name(other)[0] in _BLOCKING or _attached(attributes.get("table"), reached))
        }
        reached |= more
        grown = bool(more)
    return made_in_order(reached - {key}, objects)


def made_in_order(keys: Iterable[str], objects: Objects) -> list[str]:
    """Return keys so that each comes after what it needs."""
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
    """Whether an index comes with a constraint."""
    return key.startswith("index ") and any(
        need.startswith("constraint ") for need in objects.get(key, {}).get("needs", ())
    )


def _attached(table: str | None, reached: set[str]) -> bool:
    """Whether what stands on `table` is an index or the like of a view that has to go."""
    return table is not None and not reached.isdisjoint({f"view {table}", f"materialized view {table}"})
