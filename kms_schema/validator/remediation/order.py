"""The order of fixes: each object is created after the objects that it needs, and dropped before them."""

from collections.abc import Iterator, Mapping, Sequence

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
