"""Compares the reasons for which two engines refuse an operation.

An operation may violate several rules, of which each engine names the first that it checks. PostgreSQL checks types,
then BEFORE triggers, NULLs, CHECKs, unique indexes and foreign keys. SQLite's BEFORE triggers check unique and foreign
keys as well; then NULLs follow, and types with the other CHECKs, some of which triggers repeat.
"""

from collections.abc import Callable

NOT_NULL = "not null"
NOT_OF_TYPE = "not of the column's type"

Turn = tuple[int, int]
"""From when to when an engine may look at a rule."""


def _turn_on_postgresql(rule: str) -> Turn:
    match rule.partition("_")[0]:
        case _ if rule == NOT_OF_TYPE:
            return 0, 0
        case _ if rule == NOT_NULL:
            return 2, 2
        case "ck":
            return 3, 3
        case "uq" | "pk":
            return 4, 4
        case "fk":
            return 1, 5  # triggers that follow a reference name the foreign key when it leads nowhere
    return 1, 1


def _turn_on_sqlite(rule: str) -> Turn:
    match rule.partition("_")[0]:
        case _ if rule == NOT_OF_TYPE:
            return 3, 3
        case _ if rule == NOT_NULL:
            return 1, 2
        case "ck":
            return 1, 5
        case "uq" | "pk" | "fk":
            return 1, 1
    return 1, 1


def may_be_of_one_operation(on_postgresql: str, on_sqlite: str) -> bool:
    """Return whether an operation that breaks both rules can be refused by these."""

    def first(rule: str, other: str, turn: Callable[[str], Turn]) -> bool:
        return turn(rule)[0] <= turn(other)[1]

    return (
        on_postgresql == on_sqlite
        or "" in {on_postgresql, on_sqlite}  # one of the few refusals that name no rule
        or (first(on_postgresql, on_sqlite, _turn_on_postgresql) and first(on_sqlite, on_postgresql, _turn_on_sqlite))
    )
