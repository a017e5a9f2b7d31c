"""Query plans: for given values, and generic ones, as for prepared statements."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from support.engines.database import Connection
from support.statements import TEXT_OR_PARAMETER, dialect_of, execute

_SQLITE_INDEX = re.compile(r"USING (?:COVERING )?INDEX (\w+)")
_SQLITE_SORTS = "FOR ORDER BY"


@dataclass(frozen=True)
class Plan:
    """The relevant parts of a plan."""

    indexes: tuple[str, ...]
    """The indexes, in the order of the plan."""
    sorts: bool
    """True if all rows are sorted before the first is returned."""


def plans_of(connection: Connection, statement: str, values: dict[str, Any]) -> list[Plan]:
    """Return the plan for these values, and the generic plan of PostgreSQL, which drivers use for statements that they
    have prepared: it finds pages of a key with a long history as if the key had few entries.
    """
    if dialect_of(connection) == "sqlite":
        steps = [step[3] for step in execute(connection, f"EXPLAIN QUERY PLAN {statement}", values).fetchall()]
        indexes = (_spelled(connection, match[1]) for step in steps if (match := _SQLITE_INDEX.search(step)))
        return [Plan(tuple(indexes), any(_SQLITE_SORTS in step for step in steps))]
    ((custom,),) = execute(connection, f"EXPLAIN (FORMAT JSON) {statement}", values).fetchall()
    return [_read(custom), _read(_generic(connection, statement))]


def _spelled(connection: Connection, index: str) -> str:
    """Return the name of an index, or of the constraint for which SQLite created it."""
    match = re.fullmatch(r"sqlite_autoindex_(\w+)_\d+", index)
    if match is None:
        return index
    columns = execute(connection, f"PRAGMA index_info({index})").fetchall()
    return "_".join(["uq", match[1], *(column[2] for column in columns)])


def _generic(connection: Connection, statement: str) -> Any:
    """Return the plan of a prepared statement, the same for all values."""
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    execute(connection, f"PREPARE planned AS {TEXT_OR_PARAMETER.sub(numbered, statement)}")
    execute(connection, "SET plan_cache_mode = force_generic_plan")
    try:
        given = f"({', '.join('NULL' for _ in names)})" if names else ""
        ((plan,),) = execute(connection, f"EXPLAIN (FORMAT JSON) EXECUTE planned{given}").fetchall()
    finally:
        execute(connection, "RESET plan_cache_mode")
        execute(connection, "DEALLOCATE planned")
    return plan


def _read(plan: Any) -> Plan:
    nodes = list(_nodes(plan[0]["Plan"]))
    names = dict.fromkeys(node["Index Name"] for node in nodes if "Index Name" in node)
    return Plan(tuple(names), any(node["Node Type"] in {"Sort", "Incremental Sort"} for node in nodes))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
