"""P5: sealing a thousand entries over a long and a short history, with unfinished writers."""

from contextlib import ExitStack, closing
from functools import partial

from benchmarks.audit_history import entries
from benchmarks.places import Places
from benchmarks.targets import Curve, Limit, Measured, over
from benchmarks.timing import in_turn
from kms_schema.audit import open_trail, seal
from support.engines import Database
from support.engines.database import Connection
from support.statements import dialect_of, execute

ENTRIES, TRANSACTIONS, ROLLED_BACK = 1_000, 10, 5


def measure(places: Places) -> list[Measured]:
    """Seal a thousand entries in turn over histories of each length; some entries are late, between numbers that never
    come.
    """
    histories = places.scale.histories
    short, long = histories[0].events, histories[-1].events
    with places.copies(histories) as databases, ExitStack() as stack:
        trails = {
            size.events: stack.enter_context(closing(BusyTrail(database)))
            for size, database in zip(histories, databases, strict=True)
        }
        runs = {entries: partial(_seal, trail) for entries, trail in trails.items()}
        before = {entries: trail.write for entries, trail in trails.items()}
        times = in_turn(runs, places.options.repetitions, before)
    what = f"seal {ENTRIES} entries, {long} ÷ {short}"
    ratio = times[long].median / times[short].median
    return [Measured(what, ratio, Limit(1.2), over(times), curve=Curve.of(f"seal {ENTRIES} entries", times))]


class BusyTrail:
    """An audit trail with a writer whose entry commits only after the next seal, on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        """Begin to write."""
        self.connection = database.connect()
        self._late: Connection | None = database.connect() if database.dialect == "postgresql" else None
        self._begin()

    def _begin(self) -> None:
        if self._late is not None:
            execute(self._late, "BEGIN")
            execute(self._late, entries(self._late, 1))

    def write(self) -> None:
        """Commit a thousand entries among rollbacks; the delayed entry commits now, and another one stays open."""
        if self._late is not None:
            execute(self._late, "COMMIT")
        self._begin()
        for number in range(TRANSACTIONS):
            if number % (TRANSACTIONS // ROLLED_BACK) == 0 and dialect_of(self.connection) == "postgresql":
                execute(self.connection, "BEGIN")
                execute(self.connection, entries(self.connection, 3))
                execute(self.connection, "ROLLBACK")
            execute(self.connection, entries(self.connection, ENTRIES // TRANSACTIONS))

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()
        if self._late is not None:
            self._late.close()


def _seal(trail: BusyTrail) -> None:
    for _ in seal(open_trail(trail.connection)):
        pass
