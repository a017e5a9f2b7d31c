"""P2: refreshing both views after a thousand new entries, over a long history against a short one."""

from contextlib import ExitStack, closing
from functools import partial

from benchmarks.audit_history import entries
from benchmarks.places import Places
from benchmarks.targets import Curve, Limit, Measured
from benchmarks.timing import in_turn
from kms_schema.audit import open_trail, seal
from tests.engines.database import Connection
from tests.statements import execute

ENTRIES = 1_000


def measure(places: Places) -> list[Measured]:
    """Refresh in turn over histories of every length, each time after so many entries that no seal has yet."""
    histories = places.scale.histories
    with places.copies(histories) as databases, ExitStack() as stack:
        names = [f"over {size.events}" for size in histories]
        connections = [stack.enter_context(closing(database.connect())) for database in databases]
        refreshed = {name: partial(_refresh, each) for name, each in zip(names, connections, strict=True)}
        before = {name: partial(_write, each) for name, each in zip(names, connections, strict=True)}
        times = in_turn(refreshed, places.options.repetitions, before)
    long, short = times[names[-1]], times[names[0]]
    what = f"refresh after {ENTRIES} entries, {histories[-1].events} ÷ {histories[0].events}"
    costs = {size.events: times[name].median for size, name in zip(histories, names, strict=True)}
    return [Measured(what, long.median / short.median, Limit(1.2), times, curve=Curve("refresh both views", costs))]


def _write(connection: Connection) -> None:
    """Seal what came before, and add what has no seal yet."""
    for _ in seal(open_trail(connection)):
        pass
    execute(connection, entries(connection, ENTRIES))


def _refresh(connection: Connection) -> None:
    execute(connection, "SELECT refresh_key_views()")
