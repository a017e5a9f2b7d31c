"""P8: the hot queries with the indexes of 005 and later, compared with the same database at 004."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from functools import partial
from typing import Any

from benchmarks.places import AT_004, Places
from benchmarks.plans import Plan, plans_of
from benchmarks.targets import Limit, Measured
from benchmarks.timing import in_turn
from benchmarks.workload import ASKED, Sampler
from support.engines.database import Connection
from support.statements import dialect_of, execute
from support.workload.queries import QUERIES, Query

FASTER = Limit(3, at_least=True)
"""The limit if the index came later than 004."""
NOT_SLOWER = Limit(0.9, at_least=True)
"""The limit if 004 has the index: two runs of the same query differ by as much."""
CATALOG = {
    "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()",
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'index'",
}


def measure(places: Places) -> list[Measured]:
    """Query both databases in turn, with the same values."""
    size = places.scale.workload
    after, before = places.prepared(size), places.prepared(size, AT_004)
    sampler = Sampler(after, places.options.seed)
    with closing(after.connect()) as at_head, closing(before.connect()) as at_004:
        return list(_compared(at_head, at_004, sampler, places.options.repetitions))


def _compared(at_head: Connection, at_004: Connection, sampler: Sampler, repetitions: int) -> Iterator[Measured]:
    dialect = dialect_of(at_head)
    had = {name for (name,) in execute(at_004, CATALOG[dialect]).fetchall()}
    for name, asked in ASKED.items():
        query = QUERIES[name]
        if query.engine not in {None, dialect}:
            continue
        samples, statement = asked.samples(sampler), query.on(dialect)
        runs = {
            revision: partial(_ask, connection, statement, samples)
            for revision, connection in (("004", at_004), ("head", at_head))
        }
        times = in_turn(runs, repetitions)
        plans = plans_of(at_head, statement, samples[0])
        yield Measured(
            name,
            times["004"].median / times["head"].median,
            FASTER if came_later(query, had) else NOT_SLOWER,
            times,
            plan=plan_text(query, plans),
            as_planned=all(goes_by(query, plan) for plan in plans),
        )


def came_later(query: Query, had: set[str]) -> bool:
    """True if none of the indexes for a query is in 004; constraints came with their tables."""
    return any(index.startswith("idx_") and index not in had for index in query.indexes)


def goes_by(query: Query, plan: Plan) -> bool:
    """True if a plan uses the indexes for a query, and has no unexpected sort."""
    meant = set(query.indexes) <= set(plan.indexes) or bool(set(query.instead) & set(plan.indexes))
    return meant and (query.sorts or not plan.sorts)


def plan_text(query: Query, plans: Sequence[Plan]) -> str:
    """Return the indexes of a query's first plan, and faults of the other plans."""
    first, *others = plans
    text = "+".join(first.indexes) or "no index"
    if first.sorts and not query.sorts:
        return f"{text}, and sorts"
    for other in others:
        if other.indexes != first.indexes:
            text += f"; prepared, {'+'.join(other.indexes) or 'none'}"
        elif other.sorts and not query.sorts:
            text += "; prepared, it sorts"
    return text


def _ask(connection: Connection, statement: str, samples: Sequence[dict[str, Any]]) -> None:
    """Query with each of the values; on PostgreSQL in pipeline mode.

    A round trip takes longer than many queries, and twice as long if client and server share a processor.
    """
    with nullcontext() if isinstance(connection, sqlite3.Connection) else connection.pipeline():
        for asked in [execute(connection, statement, values) for values in samples]:
            asked.fetchall()
