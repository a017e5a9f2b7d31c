"""Observes sessions that wait for a lock of another, every few milliseconds, independent of the load of the machine.

Sessions go by their `application_name`; those that have none go by the name of the migration, which gives itself none.
"""

import threading
import time
from contextlib import closing
from types import TracebackType
from typing import Self

from support.engines import Database
from support.statements import execute

LOOK_SECONDS = 0.005
MIGRATION = ""

WAITING = """
    SELECT waiting.application_name, holding.application_name
    FROM pg_stat_activity AS waiting
    CROSS JOIN unnest(pg_blocking_pids(waiting.pid)) AS blocking (pid)
    JOIN pg_stat_activity AS holding ON holding.pid = blocking.pid
    WHERE waiting.datname = current_database() AND waiting.wait_event_type = 'Lock'
"""


class LockWaits:
    """Looks who waits for whom, from entering the block to leaving it."""

    def __init__(self, database: Database) -> None:
        """Look at `database`, which is on PostgreSQL."""
        self._database = database
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, name="lock waits")
        self.seen: list[tuple[float, str, str]] = []
        """When, who waited, and for whom."""

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Look no longer."""
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        with closing(self._database.connect()) as connection:
            execute(connection, "SET application_name = 'onlooker'")
            while not self._stopped.wait(LOOK_SECONDS):
                at = time.monotonic()
                self.seen += [(at, waiting, holding) for waiting, holding in execute(connection, WAITING).fetchall()]

    def by_migration(self, since: float, until: float) -> set[str]:
        """Return who waited for the migration between two times."""
        return {waiting for at, waiting, holding in tuple(self.seen) if holding == MIGRATION and since <= at <= until}

    def times_of_migration(self, held_by: str) -> list[float]:
        """Return when the migration was seen to wait for a lock that the session of that name holds."""
        return [at for at, waiting, holding in tuple(self.seen) if (waiting, holding) == (MIGRATION, held_by)]
