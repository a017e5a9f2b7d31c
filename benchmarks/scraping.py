"""P16: one scrape of the metrics, over a connection that is kept, in elapsed time of server and collector."""

from contextlib import ExitStack, closing
from functools import partial

from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import in_turn
from kms_schema.monitoring import Part, PartResult, take_snapshot
from kms_schema.monitoring.exposition import text_of
from support.engines.database import Connection

SCRAPES_EACH = 10
"""Scrapes for each repetition: a 95th percentile needs several."""
LIMIT = Limit(20, unit=" ms")
WARM = 6
"""Scrapes before the first measured one: after so many, the driver has prepared the statements."""


def measure(places: Places) -> list[Measured]:
    """Scrape in turn a registry of which some keys are due, and the longest history."""
    scale = places.scale
    registry = scale.registry(scale.due_among)
    names = {
        f"{scale.due_among} keys, {scale.due} due": registry,
        f"{scale.longest.keys} keys, {scale.longest.events} entries": scale.longest,
    }
    databases = {name: places.prepared(size) for name, size in names.items()}
    with ExitStack() as stack:
        runs = {
            name: partial(_scrape, stack.enter_context(closing(each.connect())), {}) for name, each in databases.items()
        }
        for run in runs.values():
            for _ in range(WARM):
                run()
        times = in_turn(runs, places.options.repetitions * SCRAPES_EACH)
    return [Measured(f"one scrape, {name}, median", times[name].median, LIMIT, {name: times[name]}) for name in names]


def _scrape(connection: Connection, counted: dict[Part, PartResult]) -> None:
    """Scrape as the exporter does, which counts anomalies every five minutes only."""
    snapshot = take_snapshot(connection, reused=counted)
    assert not snapshot.failures(), snapshot.failures()  # noqa: S101  (a wrong result is no measurement)
    counted.update({each.part: each for each in snapshot.parts if each.part is Part.ANOMALIES})
    text_of(snapshot)
