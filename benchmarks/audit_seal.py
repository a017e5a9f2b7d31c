"""P5: sealing a thousand entries over a long history against a short one, among writers that are not done."""

from contextlib import ExitStack, closing
from functools import partial

from benchmarks.audit_history import add_keys, entries, fill, history
from benchmarks.places import new_databases
from benchmarks.targets import Limit, Measured, Options, Scale
from benchmarks.timing import in_turn
from kms_schema.audit import open_trail, seal
from tests.engines import Database
from tests.engines.database import Connection
from tests.statements import dialect_of, execute

SHORT: dict[Scale, int] = {"small": 10_000, "medium": 100_000, "full": 100_000}
ENTRIES, TRANSACTIONS, ROLLED_BACK = 1_000, 10, 5


def measure(options: Options) -> list[Measured]:
    """Seal in both in turn, each time a thousand entries, some of which come late, between numbers that never come."""
    long, short = history(options), SHORT[options.scale]
    with new_databases(options.engine, options.server_url, 2) as databases, ExitStack() as stack:
        trails = []
        for database, count in zip(databases, (long, short), strict=True):
            with closing(database.connect()) as connection:
                add_keys(connection)
                fill(connection, count)
            trails.append(stack.enter_context(closing(BusyTrail(database))))
        names = (f"over {long}", f"over {short}")
        runs = {name: partial(_seal, trail) for name, trail in zip(names, trails, strict=True)}
        times = in_turn(runs, options.repetitions, dict(zip(names, [each.write for each in trails], strict=True)))
    what = f"seal {ENTRIES} entries over {long} ÷ over {short}"
    ratio = times[names[0]].median / times[names[1]].median
    return [Measured(what, databases[0].engine_name, ratio, Limit(1.2), times)]


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
