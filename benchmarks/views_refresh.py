"""P2: refreshing both views after a thousand new entries, over a long history against a short one."""

from contextlib import ExitStack, closing

from benchmarks.audit_history import entries
from benchmarks.places import Places
from benchmarks.targets import Curve, Limit, Measured, over
from benchmarks.timing import Times, in_turn
from kms_schema.audit import open_trail, seal
from tests.support.engines.database import Connection
from tests.support.statements import execute

ENTRIES = 1_000
REFRESH = "SELECT view_name, refreshed_at, duration_ms FROM refresh_key_views()"


DASHBOARD = "key_management_dashboard"


def measure(places: Places) -> list[Measured]:
    """Refresh in turn over histories of every length, each time after so many entries that no seal has yet."""
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
    """Who refreshes the views of one database."""

    def __init__(self, connection: Connection) -> None:
        """Refresh over a connection of the owner's."""
        self._connection = connection
        self._of_dashboard: list[float] = []

    def write(self) -> None:
        """Seal what came before, and add what has no seal yet."""
        for _ in seal(open_trail(self._connection)):
            pass
        execute(self._connection, entries(self._connection, ENTRIES))

    def refresh(self) -> None:
        """Refresh both views; the function says how long each took."""
        took = {view: milliseconds for view, _, milliseconds in execute(self._connection, REFRESH).fetchall()}
        self._of_dashboard.append(took[DASHBOARD])

    @property
    def of_dashboard(self) -> Times:
        """How long the dashboard took, in whole milliseconds, without the first time."""
        return Times(tuple(max(each, 1.0) for each in self._of_dashboard[1:]))
