"""The queue of rotations: the same steps on both engines. The statements are in `statements`."""

import datetime as dt
import secrets
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from kms_schema.reading.times import time_of
from kms_schema.rotations.claims import Backoff, Claim, LeaseLostError, RotationError, Scheduled
from kms_schema.rotations.listing import ListedRotation, NextDue, sentences_of
from kms_schema.rotations.statements import Row, Statements, claim_of
from kms_schema.text.storable import check_is_text, check_texts, storable

DEFAULT_LEASE = dt.timedelta(minutes=10)
LONGEST_LEASE = dt.timedelta(days=7)
DEFAULT_ROUND = 10_000
"""Keys that one round of scheduling plans in a transaction; `rotations_due` is evaluated once a round."""
INDEX_BOUNDS_A_ROUND = 1_000

_LONGEST_NAME = 83
"""Characters of a worker's name: `key_rotations.claimed_by` has 100, and `#` with 16 hexadecimal digits is added."""

_LISTS = (("RUNNING", False), ("SCHEDULED", False), ("FAILED", True), ("COMPLETED", True))
"""The statuses in the order of a list, and whether the latest rotations come first."""


class RotationQueue:
    """Schedules rotations of a database and assigns them to workers; `open_queue` makes one.

    Each method is one transaction, or part of the transaction that the connection is in.
    """

    def __init__(self, statements: Statements) -> None:
        """Use the rotations behind `statements`."""
        self._statements = statements

    def transaction(self) -> AbstractContextManager[object]:
        """Open a transaction around several calls: it commits unless an exception ends it. Joins an open one."""
        return self._statements.transaction()

    def due(self) -> Sequence[Row]:
        """Return the rows of `rotations_due` by column name: overdue keys first, then by `due_at`."""
        with self.transaction():
            return self._statements.due()

    def next_due(self) -> NextDue | None:
        """Return the key that is due next by date, after the keys in `due`, or None. Needs kms_auditor."""
        with self.transaction():
            return self._statements.next_due()

    def rotations(self, limit: int = 20, status: str | None = None) -> list[ListedRotation]:
        """Return rotations: up to `limit` of each status, or of `status` only.

        First the running and the scheduled ones, the earliest first; then the failed and the completed ones, the latest
        first. A scheduled rotation whose window is closed waits for that, and a failed one with `next_retry_at` is
        tried again then. The privileges of `kms_auditor` suffice on PostgreSQL. Example::

            [each.key_id for each in open_queue(connection).rotations(status="FAILED")]
        """
        found: list[ListedRotation] = []
        with self.transaction():
            for each, latest_first in _LISTS:
                if status in (None, each):
                    found += self._statements.listed(each, limit, latest_first=latest_first)
        return found

    def pending(self, *, at_any_time: bool = False) -> list[str]:
        """Return the reasons why rotations cannot be claimed now, such as `1 waits for its window 22:00-04:00`.

        `at_any_time`: include policies whose rotation window is closed in what can be claimed, as for `claim`. Raises
        `RotationError` if the time zone of a policy is unknown on this machine.
        """
        with self.transaction():
            now, groups = self._statements.now(), self._statements.pending()
        return list(sentences_of(groups, now, at_any_time=at_any_time))

    def schedule_due(self, limit: int = DEFAULT_ROUND) -> Scheduled:
        """Plan rotations of keys that are due and of failed rotations whose time of retry has come.

        Any number of hosts may call this at once: a key has at most one open rotation (`uq_key_rotations_open`). A key
        that will be due within its policy's notice is planned for the time of its limit. A key that is only about to
        expire and was rotated within the notice is not planned: another rotation would not change its expiry.

        `limit` is the number of rotations to plan, and the number of retries, in this call. Returns the numbers; call
        again while one of them equals `limit`.
        """
        recomputed = self.backfill(INDEX_BOUNDS_A_ROUND)
        with self.transaction():
            retried = self._statements.retry(limit)
            return Scheduled(self._statements.schedule(limit), retried, recomputed)

    def backfill(self, limit: int = INDEX_BOUNDS_A_ROUND) -> int:
        """Compute the index bounds of up to `limit` live versions that have none, or whose policies have changed.

        `rotations_due` is correct without them, but reads each of these versions. Returns the number of versions; 0
        when all are done.
        """
        with self.transaction():
            return self._statements.backfill(limit)

    def claim(self, worker: str, lease: dt.timedelta = DEFAULT_LEASE, *, at_any_time: bool = False) -> Claim | None:
        """Claim the next rotation for a worker, or return None if none is to be claimed.

        A rotation whose lease has expired comes first, then the one that is planned for the earliest time.

        - `worker`: its name, 1 to 83 characters; a random suffix makes `Claim.claimed_by` unique
        - `lease`: up to 7 days, after which another worker may take the rotation over; `renew` extends it
        - `at_any_time`: include policies whose rotation window is closed

        Raises `ValueError` for an invalid name or lease, and `RotationError` if no other rotation is left and the time
        zone of a policy is unknown on this machine.
        """
        claimed_by, seconds = _unique_claim(worker), _seconds(lease)
        with self.transaction():
            closed, faults = ([], []) if at_any_time else self._closed_policies()
            expired = self._statements.next_expired(closed)
            found = expired or self._statements.next_scheduled(closed)
            if found is not None:
                self._statements.claim(found, claimed_by, seconds)
                return self._claim_of(found.id, expired and expired.claimed_by)
            if faults:
                raise faults[0]
            return None

    def renew(self, claim: Claim, lease: dt.timedelta = DEFAULT_LEASE) -> Claim:
        """Extend the lease: it ends `lease` from now. Returns the claim with the new end.

        Raises `LeaseLostError` if the lease has expired or the rotation has ended.
        """
        with self.transaction():
            _require(claim, self._statements.renew(claim, _seconds(lease)))
            return replace(claim, lease_expires_at=self._claim_of(claim.id).lease_expires_at)

    def record_version(self, claim: Claim, new_version: int) -> None:
        """Record the new version of a rotation of several transactions, in the transaction that makes the version.

        A later claim has it as `Claim.new_version`, and makes no other. Raises `LeaseLostError` if the
        lease has expired or the rotation has ended; then roll the transaction back.
        """
        with self.transaction():
            _require(claim, self._statements.record_version(claim, new_version))

    def complete(self, claim: Claim, *, new_version: int | None = None, affected_records: int | None = None) -> None:
        """Record that the key of `claim` is rotated.

        new_version: the number of the new version, if there is one. affected_records: the number of records that
        were encrypted again; None if it is unknown.

        Call this in the transaction that writes the new version. Raises `LeaseLostError` if the lease has expired or
        the rotation has ended; then roll that transaction back.
        """
        with self.transaction():
            _require(claim, self._statements.complete(claim, new_version, affected_records))

    def fail(
        self, claim: Claim, error: str, backoff: Backoff | None = None, *, retry: bool = True
    ) -> dt.datetime | None:
        """Record that the rotation of `claim` failed, and return the time of the next attempt; None without one.

        `error` is stored, with NUL and surrogates escaped, and must contain no secrets. `backoff` is the time until the
        next attempt, by default 1 minute to 6 hours. `retry`: whether there is another attempt, if one is left. Raises
        `LeaseLostError` if the lease has expired or the rotation has ended.
        """
        retry = retry and claim.retry_count < claim.max_retries
        rest = (backoff or Backoff()).rest(claim.retry_count).total_seconds() if retry else None
        with self.transaction():
            _require(claim, self._statements.fail(claim, storable(error), rest))
            (row,) = self._statements.find(claim.id)
            return time_of(row["next_retry_at"]) if retry else None

    def find(self, rotation: uuid.UUID, claimed_by: str) -> Claim:
        """Return the claim of a running rotation, for a program that has only its id and `claimed_by`.

        Raises `LeaseLostError` if the rotation is not running or has another claim.
        """
        with self.transaction():
            rows = self._statements.find(rotation)
            if not rows or rows[0]["claimed_by"] != claimed_by or rows[0]["status"] != "RUNNING":
                raise _lost(rotation, claimed_by)
            return claim_of(rows[0], None)

    def _claim_of(self, rotation: object, taken_over_from: str | None = None) -> Claim:
        (row,) = self._statements.find(rotation)
        return claim_of(row, taken_over_from)

    def _closed_policies(self) -> tuple[list[uuid.UUID], list[RotationError]]:
        """Return the policies whose window is closed by the database's clock, and the unknown time zones."""
        closed, faults = [], []
        for policy, window, now in self._statements.windows():
            try:
                if window.is_open(now):
                    continue
            except RotationError as error:
                faults.append(error)
            closed.append(policy)
        return closed, faults


def _require(claim: Claim, is_valid: bool) -> None:
    if not is_valid:
        raise _lost(claim.id, claim.claimed_by)


def _unique_claim(worker: str) -> str:
    # The name is not enough: a restarted worker has the same name, and would pass for its predecessor.
    check_is_text(worker=worker)
    check_texts(worker=worker)
    if not worker.strip() or len(worker) > _LONGEST_NAME:
        raise ValueError(f"a worker's name has 1 to {_LONGEST_NAME} characters, and is not blank")
    return f"{worker}#{secrets.token_hex(8)}"


def _seconds(lease: dt.timedelta) -> float:
    if not dt.timedelta(0) < lease <= LONGEST_LEASE:
        raise ValueError(f"a lease is longer than 0 and at most {LONGEST_LEASE.days} days, not {lease}")
    return lease.total_seconds()


def _lost(rotation: uuid.UUID, claimed_by: str) -> RotationError:
    return LeaseLostError(
        f"rotation {rotation} is no longer claimed by {claimed_by!r}: the lease expired, or the rotation has ended."
        " Undo the work for it, unless the live version is yours"
    )
