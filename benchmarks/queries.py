"""P8: the hot queries with the indexes of 005 and later, against the same database at 004."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from benchmarks.places import AT_004, Places
from benchmarks.plans import Plan, plans_of
from benchmarks.targets import Limit, Measured
from benchmarks.timing import in_turn
from benchmarks.workload import WORKLOAD, Query, Sampler
from tests.engines.database import Connection
from tests.statements import dialect_of, execute

FASTER = Limit(3, at_least=True)
"""Where 005 or later has an index for it."""
NOT_SLOWER = Limit(0.9, at_least=True)
"""Where 004 has it: so much two runs of the same differ."""


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
        plans = plans_of(at_head, query.statement, samples[0])
        limit = FASTER if query.since > 4 else NOT_SLOWER
        as_planned = all(goes_by(query, plan) for plan in plans)
        yield Measured(query.what, faster, limit, times, plan=told(query, plans), as_planned=as_planned)


def goes_by(query: Query, plan: Plan) -> bool:
    """Whether a plan goes by one of the choices of indexes that are there for the query, and sorts no page of it."""
    chosen = any(set(choice.split("+")) <= set(plan.indexes) for choice in query.indexes)
    return chosen and not (query.is_page and plan.sorts)


def told(query: Query, plans: Sequence[Plan]) -> str:
    """Return the indexes of a query's first plan, and what is not as it should be in the others."""
    first, *others = plans
    said = "+".join(first.indexes) or "no index"
    if query.is_page and first.sorts:
        return f"{said}, and sorts"
    for other in others:
        if other.indexes != first.indexes:
            said += f"; prepared, {'+'.join(other.indexes) or 'none'}"
        elif query.is_page and other.sorts:
            said += "; prepared, it sorts"
    return said


def _ask(connection: Connection, statement: str, samples: Sequence[dict[str, Any]]) -> None:
    for values in samples:
        execute(connection, statement, values).fetchall()
