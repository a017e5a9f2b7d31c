"""P2: refresh of both views after a thousand new entries, over a long and a short history."""

from contextlib import ExitStack, closing

from benchmarks.audit_history import entries
from benchmarks.places import Places
from benchmarks.targets import Curve, Limit, Measured, over
from benchmarks.timing import Times, in_turn
from kms_schema.audit import open_trail, seal
from support.engines.database import Connection
from support.statements import execute

ENTRIES = 1_000
REFRESH = "SELECT view_name, refreshed_at, duration_ms FROM refresh_key_views()"


DASHBOARD = "key_management_dashboard"


def measure(places: Places) -> list[Measured]:
    """Refresh in turn over histories of each length, each time after a number of unsealed entries."""
    histories = places.scale.histories
    short, long = histories[0].events, histories[-1].events
    with places.copies(histories) as databases, ExitStack() as stack:
        refreshers = {
            size.events: Refresher(stack.enter_context(closing(database.connect())))
            for size, database in zip(histories, databases, strict=True)
        }
        runs = {entries: each.refresh for entries, each in refreshers.items()}
        before = {entries: each.write for entries, each in refreshers.items()}
        times = in_turn(runs, places.options.repetitions, before)
    of_dashboard = {entries: each.of_dashboard for entries, each in refreshers.items()}
    what = f"{ENTRIES} entries, {long} ÷ {short}"
    return [
        Measured(
            f"refresh after {what}",
            times[long].median / times[short].median,
            Limit(1.2),
            over(times),
            curve=Curve.of("refresh both views", times),
        ),
        Measured(
            "to compare: the dashboard's part of it",
            of_dashboard[long].median / of_dashboard[short].median,
            None,
            over(of_dashboard),
        ),
    ]


class Refresher:
    """A connection that refreshes the views of one database."""

    def __init__(self, connection: Connection) -> None:
        """Refresh over a connection of the owner."""
        self._connection = connection
        self._of_dashboard: list[float] = []

    def write(self) -> None:
        """Seal the earlier entries, and add unsealed ones."""
        for _ in seal(open_trail(self._connection)):
            pass
        execute(self._connection, entries(self._connection, ENTRIES))

    def refresh(self) -> None:
        """Refresh both views; the function returns the time of each."""
        took = {view: milliseconds for view, _, milliseconds in execute(self._connection, REFRESH).fetchall()}
        self._of_dashboard.append(took[DASHBOARD])

    @property
    def of_dashboard(self) -> Times:
        """The time of the dashboard, in whole milliseconds, without the first run."""
        return Times(tuple(max(each, 1.0) for each in self._of_dashboard[1:]))
