"""What can be done with rotations, on either engine; `postgresql_queue` and `sqlite_queue` are the two of them."""

import datetime as dt
import json
import secrets
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from kms_schema.rotations.backoff import Backoff
from kms_schema.rotations.claims import Claim, LeaseLost, RotationError, Scheduled
from kms_schema.rotations.windows import Window

DEFAULT_LEASE = dt.timedelta(minutes=10)
DEFAULT_ROUND = 10_000
"""Keys that one round of scheduling takes in a transaction; `rotations_due` is worked out once a round."""
CEILINGS_A_ROUND = 1_000

_LONGEST_NAME = 83
"""What `key_rotations.claimed_by` leaves of its 100 characters: `#` and 16 hexadecimal digits make a claim unique."""

Row = Mapping[str, Any]


class RotationQueue(ABC):
    """Schedules and hands out the rotations of a database; see `open_queue` for what it commits."""

    def due(self) -> Sequence[Row]:
        """Return `rotations_due` by its columns, those whose limit is passed first, then by when."""
        with self.transaction():
            return self._rows("due")

    def schedule_due(self, limit: int = DEFAULT_ROUND) -> Scheduled:
        """Plan a rotation for keys that are due, and for those that failed and may be tried again; at most `limit`.

        Any number of hosts may do this at once: a key has at most one open rotation (`uq_key_rotations_open`). A key
        that is due later, within its policy's notice, is planned for then. One that is only about to expire and has
        been rotated within the notice is left out: rotating it again would not keep it from expiring.
        """
        looked_at = self.backfill(CEILINGS_A_ROUND)
        with self.transaction():
            retried = self._retry(limit)
            return Scheduled(self._changed("schedule", limit=limit), retried, looked_at)

    def backfill(self, limit: int = CEILINGS_A_ROUND) -> int:
        """Work out the ceilings of up to `limit` live versions that have none, or that policies no longer agree with.

        `rotations_due` is right without, but reads each of these versions. Return how many there were.
        """
        with self.transaction():
            return self._backfill(limit)

    def claim(self, worker: str, lease: dt.timedelta = DEFAULT_LEASE, *, at_any_time: bool = False) -> Claim | None:
        """Take the next rotation that nobody has, or return None; it is the worker's for as long as the lease.

        First one whose lease ran out, then the one that was planned for the earliest time; none whose policy's window
        is closed, unless `at_any_time`. Raises `ValueError` for a name or a lease that cannot be, and `RotationError`
        when nothing else is left and a policy's time zone is not known here.
        """
        claimed_by = _claimant(worker)
        seconds = _seconds(lease)
        with self.transaction():
            closed, faults = ([], []) if at_any_time else self._closed()
            for which in ("run out", "planned"):
                found = self._next(which, closed)
                if found is not None:
                    row = self._take(found, claimed_by, seconds)
                    return self._claimed(row, found["claimed_by"] if which == "run out" else None)
            if faults:
                raise faults[0]
            return None

    def renew(self, claim: Claim, lease: dt.timedelta = DEFAULT_LEASE) -> Claim:
        """Have the lease end that much from now, and return the claim with it. Raises `LeaseLost`."""
        with self.transaction():
            self._of_claimant(claim, "renew", seconds=_seconds(lease))
            (row,) = self._rows("claim", id=self._id(claim.id))
            return replace(claim, lease_expires_at=self._time(row["lease_expires_at"]))

    def complete(self, claim: Claim, *, new_version: int | None = None, affected_records: int | None = None) -> None:
        """Say that the key is rotated. Raises `LeaseLost`, and then a transaction that it is part of cannot commit
        what the worker did: roll it back.
        """
        with self.transaction():
            self._of_claimant(claim, "complete", new_version=new_version, affected_records=affected_records)

    def fail(self, claim: Claim, error: str, backoff: Backoff | None = None) -> dt.datetime | None:
        """Say that the key could not be rotated and why, and return when it is tried again, if it is.

        Raises `LeaseLost`.
        """
        retry = claim.retry_count < claim.max_retries
        rest = (backoff or Backoff()).rest(claim.retry_count).total_seconds() if retry else None
        with self.transaction():
            self._of_claimant(claim, "fail", error=error.replace("\0", ""), seconds=rest)
            (row,) = self._rows("claim", id=self._id(claim.id))
            return self._time(row["next_retry_at"]) if retry else None

    def find(self, rotation: uuid.UUID, claimed_by: str) -> Claim:
        """Return the claim that is `claimed_by`, as a program that was told of it sees it. Raises `LeaseLost`."""
        with self.transaction():
            rows = self._rows("claim", id=self._id(rotation))
            if not rows or rows[0]["claimed_by"] != claimed_by or rows[0]["status"] != "RUNNING":
                raise _lost(rotation, claimed_by)
            return self._claimed(rows[0], None)

    @abstractmethod
    def transaction(self) -> AbstractContextManager[object]:
        """Open a transaction that is committed unless an exception ends it, or join the one that is open."""

    @abstractmethod
    def _rows(self, statement: str, **values: object) -> Sequence[Row]:
        """Return what a statement of this engine, by its name, finds."""

    @abstractmethod
    def _changed(self, statement: str, **values: object) -> int:
        """Return how many rows a statement of this engine, by its name, changes."""

    @abstractmethod
    def _retry(self, limit: int) -> int:
        """Plan what failed anew, where its time has come, and forget retries that a success has made needless."""

    @abstractmethod
    def _backfill(self, limit: int) -> int: ...

    @abstractmethod
    def _next(self, which: str, closed: Sequence[uuid.UUID]) -> Row | None:
        """Return `id` and `claimed_by` of a rotation that is nobody else's in this transaction."""

    @abstractmethod
    def _id(self, value: uuid.UUID) -> object:
        """Return an id as this engine stores it."""

    @abstractmethod
    def _time(self, value: Any) -> dt.datetime:
        """Return a time that this engine stores."""

    def _take(self, found: Row, claimed_by: str, seconds: float) -> Row:
        self._changed("take", id=found["id"], claimed_by=claimed_by, seconds=seconds)
        (row,) = self._rows("claim", id=found["id"])
        return row

    def _of_claimant(self, claim: Claim, statement: str, **values: object) -> None:
        if self._changed(statement, id=self._id(claim.id), claimed_by=claim.claimed_by, **values) != 1:
            raise _lost(claim.id, claim.claimed_by)

    def _closed(self) -> tuple[list[uuid.UUID], list[RotationError]]:
        """Return the policies whose window is closed by the database's clock, and of which that cannot be said."""
        closed, faults = [], []
        for row in self._rows("windows"):
            window = Window(
                row["policy_name"], row["rotation_window_start"], row["rotation_window_end"], row["timezone"]
            )
            try:
                if window.is_open(self._time(row["now"])):
                    continue
            except RotationError as error:
                faults.append(error)
            closed.append(_uuid(row["id"]))
        return closed, faults

    def _claimed(self, row: Row, taken_over_from: str | None) -> Claim:
        details = row["trigger_details"]
        return Claim(
            id=_uuid(row["id"]),
            key_master_id=_uuid(row["key_master_id"]),
            key_id=row["key_id"],
            trigger=row["trigger"],
            details=json.loads(details) if isinstance(details, str) else details or {},
            old_version=row["old_version"],
            live_version=row["live_version"],
            retry_count=row["retry_count"],
            max_retries=row["max_retries"],
            claimed_by=row["claimed_by"],
            lease_expires_at=self._time(row["lease_expires_at"]),
            taken_over_from=taken_over_from,
        )


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def _claimant(worker: str) -> str:
    # Not the name alone: a worker that is started anew has it too, and would be taken for the one before.
    if not worker.strip() or len(worker) > _LONGEST_NAME or "\0" in worker:
        raise ValueError(f"a worker's name has 1 to {_LONGEST_NAME} characters, not all blank, and no NUL")
    return f"{worker}#{secrets.token_hex(8)}"


def _seconds(lease: dt.timedelta) -> float:
    if not dt.timedelta(0) < lease <= dt.timedelta(days=7):
        raise ValueError(f"a lease is longer than 0 and no longer than 7 days, not {lease}")
    return lease.total_seconds()


def _lost(rotation: uuid.UUID, claimed_by: str) -> RotationError:
    return LeaseLost(
        f"rotation {rotation} is not {claimed_by!r}'s any more: its lease ran out, or it has ended. Take back what was"
        " done for it, unless the version that is live now is yours"
    )
