"""P2: refreshing both views after a thousand new entries, over a long history against a short one."""

from contextlib import ExitStack, closing
from functools import partial

from benchmarks.audit_history import entries
from benchmarks.places import Places
from benchmarks.targets import Curve, Limit, Measured, over
from benchmarks.timing import in_turn
from kms_schema.audit import open_trail, seal
from tests.engines.database import Connection
from tests.statements import execute

ENTRIES = 1_000


def measure(places: Places) -> list[Measured]:
    """Refresh in turn over histories of every length, each time after so many entries that no seal has yet."""
    histories = places.scale.histories
    short, long = histories[0].events, histories[-1].events
    with places.copies(histories) as databases, ExitStack() as stack:
        over_each = {
            size.events: stack.enter_context(closing(database.connect()))
            for size, database in zip(histories, databases, strict=True)
        }
        refreshed = {entries: partial(_refresh, each) for entries, each in over_each.items()}
        before = {entries: partial(_write, each) for entries, each in over_each.items()}
        times = in_turn(refreshed, places.options.repetitions, before)
    what = f"refresh after {ENTRIES} entries, {long} ÷ {short}"
    ratio = times[long].median / times[short].median
    return [Measured(what, ratio, Limit(1.2), over(times), curve=Curve.of("refresh both views", times))]


def _write(connection: Connection) -> None:
    """Seal what came before, and add what has no seal yet."""
    for _ in seal(open_trail(connection)):
        pass
    execute(connection, entries(connection, ENTRIES))


def _refresh(connection: Connection) -> None:
    execute(connection, "SELECT refresh_key_views()")
