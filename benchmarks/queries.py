"""P8: the hot queries with the indexes of 005 and later, against the same database at 004."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from benchmarks.places import AT_004, Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import in_turn
from benchmarks.workload import WORKLOAD, Query, Sampler
from tests.engines.database import Connection
from tests.statements import dialect_of, execute

FASTER = Limit(3, at_least=True)
"""Where 005 or later has an index for it."""
NOT_SLOWER = Limit(0.9, at_least=True)
"""Where 004 has it: so much two runs of the same differ."""
SQLITE_INDEX = re.compile(r"(?:USING (?:COVERING )?INDEX|USING) (\w+)")


def measure(places: Places) -> list[Measured]:
    """Ask both databases in turn, with the same values."""
    size = places.scale.workload
    after, before = places.prepared(size), places.prepared(size, AT_004)
    sampler = Sampler(after, places.options.seed)
    with closing(after.connect()) as at_head, closing(before.connect()) as at_004:
        return list(_compared(at_head, at_004, sampler, places.options.repetitions))


def _compared(at_head: Connection, at_004: Connection, sampler: Sampler, repetitions: int) -> Iterator[Measured]:
    for query in WORKLOAD:
        if query.only_on not in {"", dialect_of(at_head)}:
            continue
        samples = query.samples(sampler)
        runs = {
            name: partial(_ask, connection, query.statement, samples)
            for name, connection in (("004", at_004), ("head", at_head))
        }
        times = in_turn(runs, repetitions)
        faster = times["004"].median / times["head"].median
        used = indexes_of(at_head, query.statement, samples[0])
        as_planned = goes_by(query, used)
        plan = "+".join(used) if used else "no index"
        limit = FASTER if query.since > 4 else NOT_SLOWER
        yield Measured(query.what, faster, limit, times, plan=plan, as_planned=as_planned)


def goes_by(query: Query, used: Sequence[str]) -> bool:
    """Whether a plan goes by one of the choices of indexes that are there for the query."""
    return any(set(choice.split("+")) <= set(used) for choice in query.indexes)


def _ask(connection: Connection, statement: str, samples: Sequence[dict[str, Any]]) -> None:
    for values in samples:
        execute(connection, statement, values).fetchall()


def indexes_of(connection: Connection, statement: str, values: dict[str, Any]) -> list[str]:
    """Return the indexes that a query goes by, in the order of the plan."""
    if dialect_of(connection) == "sqlite":
        steps = execute(connection, f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        return [match[1] for step in steps if (match := SQLITE_INDEX.search(step[3]))]
    ((plan,),) = execute(connection, f"EXPLAIN (FORMAT JSON) {statement}", values).fetchall()
    return list(dict.fromkeys(_named(plan[0]["Plan"])))


def _named(node: dict[str, Any]) -> Iterator[str]:
    if "Index Name" in node:
        yield node["Index Name"]
    for child in node.get("Plans", ()):
        yield from _named(child)
