"""The plan of a query: the indexes that it uses, and unexpected steps."""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kms_schema.snapshots import chain, load
from support.engines.database import Connection
from support.statements import execute

_SEARCH = re.compile(
    r"(?P<how>SEARCH|SCAN) (?:TABLE )?(?P<table>\w+)(?: AS (?P<alias>\w+))?"
    r"(?: USING (?:(?P<covering>COVERING )?INDEX (?P<index>\w+)|(?P<primary>PRIMARY KEY)))?"
)


@dataclass(frozen=True)
class Plan:
    """How a query was answered."""

    text: str
    """The output of the engine, for messages of failures."""
    indexes: frozenset[str]
    covered: bool
    """True if the index contains all columns, so that no table is read."""
    scans: bool
    """True if a whole table was read."""
    sorts: bool
    heap_fetches: int = 0


def plan_of(connection: Connection, query: str, asking: Mapping[str, Any]) -> Plan:
    """Run a query, take back what it changed, and say how it was answered."""
    if isinstance(connection, sqlite3.Connection):
        return _of_sqlite(connection, query, asking)
    with connection.transaction(force_rollback=True):
        cursor = execute(connection, f"EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) {query}", asking)
        ((((whole,),)),) = cursor.fetchall()
    found = list(_nodes(whole["Plan"]))
    kinds = [node["Node Type"] for node in found]
    indexes = [node["Index Name"] for node in found if "Index Name" in node]
    return Plan(
        json.dumps(whole, indent=1),
        frozenset(indexes),
        covered=kinds.count("Index Only Scan") == len(indexes) > 0,
        scans="Seq Scan" in kinds,
        sorts=any("Sort" in kind for kind in kinds),
        heap_fetches=sum(node.get("Heap Fetches", 0) for node in found),
    )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _of_sqlite(connection: sqlite3.Connection, query: str, asking: Mapping[str, Any]) -> Plan:
    cursor = execute(connection, f"EXPLAIN QUERY PLAN {query}", asking)
    steps = [str(row[3]) for row in cursor.fetchall()]
    text = "\n".join(steps)
    reads = [match for step in steps if (match := _SEARCH.match(step))]
    return Plan(
        text,
        frozenset(_named(connection, match, query) for match in reads if match["index"] or match["primary"]),
        covered=all(match["covering"] for match in reads),
        scans=any(match["how"] == "SCAN" and not match["covering"] for match in reads),
        sorts="TEMP B-TREE FOR ORDER BY" in text or "TEMP B-TREE FOR RIGHT PART OF ORDER BY" in text,
    )


def _named(connection: sqlite3.Connection, match: re.Match[str], query: str) -> str:
    """Return the constraint that SQLite made an index for, which it calls by a name of its own."""
    aliased = re.search(rf"(\w+) AS {match['table']}\b", query)
    table = aliased[1] if aliased else match["table"]
    if match["primary"]:
        return f"pk_{table}"
    index = match["index"]
    if not index.startswith("sqlite_autoindex_"):
        return str(index)
    columns = ", ".join(row[2] for row in connection.execute(f"PRAGMA index_info({index})"))
    for name, attributes in load("sqlite", chain()[-1], "3").items():
        if attributes.get("table") == table and attributes.get("definition") == f"UNIQUE ({columns})":
            return name.partition(".")[2]
    return f"pk_{table}"
