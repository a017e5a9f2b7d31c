"""P10: the cost of finding due keys is proportional to the due keys, not to all keys."""

from contextlib import ExitStack, closing
from functools import partial

from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import in_turn
from support.engines.database import Connection
from support.statements import execute

READS_EACH = 5
"""Reads for each repetition: a 95th percentile needs several."""
QUERY = "SELECT * FROM rotations_due"


def measure(places: Places) -> list[Measured]:
    """Query in turn among a number of keys and among half as many, with the same number of due keys."""
    scale = places.scale
    sizes = [scale.registry(scale.due_among // 2), scale.registry(scale.due_among)]
    databases = [places.prepared(size) for size in sizes]
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(database.connect())) for database in databases]
        found = {len(_ask(connection)) for connection in connections}
        assert found == {scale.due}, f"{found} keys are due, not {scale.due}"  # noqa: S101  (a wrong result is no measurement)
        names = [f"among {size.keys}" for size in sizes]
        runs = {name: partial(_ask, each) for name, each in zip(names, connections, strict=True)}
        times = in_turn(runs, places.options.repetitions * READS_EACH)
    half, whole = (times[name] for name in names)
    return [
        Measured(f"rotations_due, {scale.due} of {scale.due_among} keys, p95", whole.p95, Limit(20, unit=" ms"), times),
        Measured(f"rotations_due, {scale.due} of {sizes[1].keys} ÷ of {sizes[0].keys}", whole.median / half.median,
                 Limit(1.2), times),
    ]  # fmt: skip


def _ask(connection: Connection) -> list[object]:
    return list(execute(connection, QUERY).fetchall())
