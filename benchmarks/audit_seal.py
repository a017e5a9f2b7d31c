"""P5: sealing a thousand entries over a long history against a short one, among writers that are not done."""

from contextlib import ExitStack, closing
from functools import partial

from benchmarks.audit_history import entries
from benchmarks.places import Places
from benchmarks.targets import Curve, Limit, Measured
from benchmarks.timing import in_turn
from kms_schema.audit import open_trail, seal
from tests.engines import Database
from tests.engines.database import Connection
from tests.statements import dialect_of, execute

ENTRIES, TRANSACTIONS, ROLLED_BACK = 1_000, 10, 5


def measure(places: Places) -> list[Measured]:
    """Seal in turn over histories of every length, each time a thousand entries, some of which come late, between
    numbers that never come.
    """
    histories = places.scale.histories
    names = [f"over {size.events}" for size in histories]
    with places.copies(histories) as databases, ExitStack() as stack:
        trails = [stack.enter_context(closing(BusyTrail(database))) for database in databases]
        runs = {name: partial(_seal, trail) for name, trail in zip(names, trails, strict=True)}
        times = in_turn(runs, places.options.repetitions, dict(zip(names, [each.write for each in trails], strict=True)))
    what = f"seal {ENTRIES} entries, {histories[-1].events} ÷ {histories[0].events}"
    ratio = times[names[-1]].median / times[names[0]].median
    costs = {size.events: times[name].median for size, name in zip(histories, names, strict=True)}
    return [Measured(what, ratio, Limit(1.2), times, curve=Curve(f"seal {ENTRIES} entries", costs))]


class BusyTrail:
    """A trail with a writer whose entry comes only after the next seal, on PostgreSQL."""

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
        """Commit a thousand entries among rollbacks; the one that was held back comes now, and another later."""
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
