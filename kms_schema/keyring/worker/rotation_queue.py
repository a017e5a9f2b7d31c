"""The queue of rotations on the connections of a key ring."""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.keyring.database.storage import Storage
from kms_schema.rotations import Backoff, Claim, RotationQueue, open_queue

Report = Callable[[str], None]
"""Receives a sentence about each rotation, without secrets."""


@dataclass(frozen=True)
class RunOptions:
    """The parameters of `KeyRing.run_rotations`."""

    worker: str
    once: bool
    actor: str | None
    jobs: int
    interval: float
    lease: dt.timedelta
    at_any_time: bool
    destroy_after: dt.timedelta | None
    stop: threading.Event
    report: Report

    def __post_init__(self) -> None:
        """Raises `ValueError` for a number that is out of range. The queue checks the name and the lease."""
        if self.jobs < 1 or not self.interval > 0:
            raise ValueError("jobs must be at least 1, and interval more than 0 seconds")


NEEDS = "kms_rotator"


class QueueSession(NamedTuple):
    """A session, and the queue in the same transaction."""

    session: Session
    queue: RotationQueue


class RingQueue:
    """Opens the queue of one database for a worker; each block is one transaction."""

    def __init__(self, storage: Storage, actor: str | None) -> None:
        """Use connections of `storage`; `actor` is the user in the entries."""
        self._storage = storage
        self._actor = actor

    @contextmanager
    def transaction(self, key_id: str | None = None) -> Iterator[QueueSession]:
        """Open a transaction, which commits unless an exception ends it. Driver errors become errors of the ring."""
        with self._storage.session(key_id, NEEDS, self._actor) as session, _as_sqlalchemy(session):
            connection = session.connection().connection.driver_connection
            yield QueueSession(session, open_queue(connection, self._storage.schema))  # type: ignore[arg-type]

    def schedule(self, limit: int) -> tuple[int, int]:
        """Schedule the rotations that are due; return the numbers of rotations and of retries."""
        scheduled = retried = 0
        while True:
            with self.transaction() as (_, queue):
                done = queue.schedule_due(limit)
            scheduled, retried = scheduled + done.scheduled, retried + done.retried
            if done.scheduled < limit and done.retried < limit:
                return scheduled, retried

    def claim(self, options: RunOptions) -> Claim | None:
        """Claim the next rotation."""
        with self.transaction() as (_, queue):
            return queue.claim(options.worker, options.lease, at_any_time=options.at_any_time)

    def pending(self, options: RunOptions) -> list[str]:
        """Return the reasons why rotations cannot be claimed now, a sentence each."""
        with self.transaction() as (_, queue):
            return queue.pending(at_any_time=options.at_any_time)

    def renew(self, claim: Claim, lease: dt.timedelta) -> None:
        """Extend the lease."""
        with self.transaction(claim.key_id) as (_, queue):
            queue.renew(claim, lease)

    def fail(self, claim: Claim, reason: str, backoff: Backoff | None, *, retry: bool) -> dt.datetime | None:
        """Record a failure; return the time of the next attempt."""
        with self.transaction(claim.key_id) as (_, queue):
            return queue.fail(claim, reason, backoff, retry=retry)


class KeptLease:
    """Prolongs the lease of a claim while work goes on."""

    def __init__(self, queue: RingQueue, claim: Claim, lease: dt.timedelta) -> None:
        """Begin with a full lease. Raises `LeaseLostError`, as `keep` does."""
        self._queue, self._claim, self._lease = queue, claim, lease
        self._renew()

    def keep(self, _done: int = 0, _all: int = 0) -> None:
        """Extend the lease if a third of its time is over. The function can be the `progress` of a rewrap."""
        if time.monotonic() - self._since > self._lease.total_seconds() / 3:
            self._renew()

    def _renew(self) -> None:
        before = time.monotonic()
        self._queue.renew(self._claim, self._lease)
        self._since = before


@contextmanager
def _as_sqlalchemy(session: Session) -> Iterator[None]:
    """Raise errors of the driver, with which the queue works, as those of SQLAlchemy."""
    dialect = session.get_bind().dialect
    driver: Any = dialect.loaded_dbapi
    base: type[Exception] = driver.Error
    try:
        yield
    except base as error:
        raise sa.exc.DBAPIError.instance(None, None, error, base, dialect=dialect) from None
