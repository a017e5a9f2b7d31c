"""The queue of rotations: the same steps on both engines. The SQL of each engine is in its storage."""

import datetime as dt
import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from typing import Any, Protocol

from kms_schema.rotations.backoff import Backoff
from kms_schema.rotations.claims import Claim, LeaseLostError, RotationError, Scheduled
from kms_schema.rotations.listing import ListedRotation, NextDue, Pending, sentences_of
from kms_schema.rotations.windows import Window
from kms_schema.text.storable import check_is_text, check_texts, storable

DEFAULT_LEASE = dt.timedelta(minutes=10)
LONGEST_LEASE = dt.timedelta(days=7)
DEFAULT_ROUND = 10_000
"""Keys that one round of scheduling plans in a transaction; `rotations_due` is evaluated once a round."""
INDEX_BOUNDS_A_ROUND = 1_000

_LONGEST_NAME = 83
"""Characters of a worker's name: `key_rotations.claimed_by` has 100, and `#` with 16 hexadecimal digits is added."""

_LISTS = (
    ("RUNNING", "list_first"), ("SCHEDULED", "list_first"), ("FAILED", "list_last"), ("COMPLETED", "list_last"),
)  # fmt: skip
"""The statement that lists the rotations of each status."""
_TIMES = ("scheduled_at", "ended_at", "next_retry_at", "lease_expires_at")
_STORED = {each.name for each in fields(ListedRotation)} - {"id", "window", *_TIMES}

Row = Mapping[str, Any]


class QueueStorage(Protocol):
    """The rotations of one database: statements by their names, and the encoding of values."""

    def transaction(self) -> AbstractContextManager[object]:
        """Open a transaction that commits unless an exception ends it, or join the open one."""

    def rows(self, statement: str, **values: object) -> Sequence[Row]:
        """Return the rows of a query."""

    def changed(self, statement: str, **values: object) -> int:
        """Return the number of rows that a statement changes."""

    def retry(self, limit: int) -> int:
        """Plan up to `limit` failed rotations again if their time has come; clear retries of keys rotated since."""

    def encode_id(self, value: uuid.UUID) -> object:
        """Return an id as the engine stores it."""

    def encode_ids(self, values: Sequence[uuid.UUID]) -> object:
        """Return a list of ids as a parameter of the engine."""

    def decode_time(self, value: Any) -> dt.datetime:
        """Return a stored time as an aware one."""


class RotationQueue:
    """Schedules rotations of a database and assigns them to workers; `open_queue` makes one.

    Each method is one transaction, or part of the transaction that the connection is in.
    """

    def __init__(self, storage: QueueStorage) -> None:
        """Use the rotations behind `storage`."""
        self._storage = storage

    def transaction(self) -> AbstractContextManager[object]:
        """Open a transaction around several calls: it commits unless an exception ends it. Joins an open one."""
        return self._storage.transaction()

    def due(self) -> Sequence[Row]:
        """Return the rows of `rotations_due` by column name: overdue keys first, then by `due_at`."""
        with self.transaction():
            return self._storage.rows("due")

    def next_due(self) -> NextDue | None:
        """Return the key that is due next by date, after those in `due`; None without one. Needs kms_auditor."""
        with self.transaction():
            for row in self._storage.rows("next_due"):
                return NextDue(**{**row, "due_at": self._storage.decode_time(row["due_at"])})
        return None

    def rotations(self, limit: int = 20, status: str | None = None) -> list[ListedRotation]:
        """Return rotations: up to `limit` of each status, or of `status` only.

        First the running and the scheduled ones, the earliest first; then the failed and the completed ones, the latest
        first. A scheduled rotation whose window is closed waits for that, and a failed one with `next_retry_at` is
        tried again then. The privileges of `kms_auditor` suffice on PostgreSQL. Example::

            [each.key_id for each in open_queue(connection).rotations(status="FAILED")]
        """
        found: list[Row] = []
        with self.transaction():
            for each, statement in _LISTS:
                if status in (None, each):
                    found += self._storage.rows(statement, status=each, limit=limit)
        return [self._listed(row) for row in found]

    def pending(self, *, at_any_time: bool = False) -> list[str]:
        """Return what the rotations wait for that cannot be claimed now, such as `1 waits for its window 22:00-04:00`.

        `at_any_time`: include policies whose rotation window is closed in what can be claimed, as for `claim`. Raises
        `RotationError` if the time zone of a policy is unknown on this machine.
        """
        with self.transaction():
            now = self._storage.decode_time(self._storage.rows("now")[0]["now"])
            groups = [
                Pending(row["count"], bool(row["retried"]), self._storage.decode_time(row["earliest"]), _window_of(row))
                for row in self._storage.rows("pending")
            ]
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
            retried = self._storage.retry(limit)
            return Scheduled(self._storage.changed("schedule", limit=limit), retried, recomputed)

    def backfill(self, limit: int = INDEX_BOUNDS_A_ROUND) -> int:
        """Compute the index bounds of up to `limit` live versions that have none, or whose policies have changed.

        `rotations_due` is correct without them, but reads each of these versions. Returns the number of versions; 0
        when all are done.
        """
        done = 0
        with self.transaction():
            for statement in ("missing_index_bounds", "high_usage_index_bounds", "high_volume_index_bounds"):
                if done < limit:
                    done += self._storage.changed(statement, limit=limit - done)
        return done

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
            for statement in ("next_expired", "next_scheduled"):
                for found in self._storage.rows(statement, closed=self._storage.encode_ids(closed)):
                    self._storage.changed("claim", id=found["id"], claimed_by=claimed_by, seconds=seconds)
                    (row,) = self._storage.rows("find_claim", id=found["id"])
                    return self._claim_of(row, found["claimed_by"] if statement == "next_expired" else None)
            if faults:
                raise faults[0]
            return None

    def renew(self, claim: Claim, lease: dt.timedelta = DEFAULT_LEASE) -> Claim:
        """Extend the lease: it ends `lease` from now. Returns the claim with the new end.

        Raises `LeaseLostError` if the lease has expired or the rotation has ended.
        """
        with self.transaction():
            self._change_claimed(claim, "renew", seconds=_seconds(lease))
            (row,) = self._storage.rows("find_claim", id=self._storage.encode_id(claim.id))
            return replace(claim, lease_expires_at=self._storage.decode_time(row["lease_expires_at"]))

    def record_version(self, claim: Claim, new_version: int) -> None:
        """Record the new version of a rotation that takes several transactions, in the one that makes the version.

        A later claim has it as `Claim.new_version`, and makes no other. Raises `LeaseLostError` if the
        lease has expired or the rotation has ended; then roll the transaction back.
        """
        with self.transaction():
            self._change_claimed(claim, "record_version", new_version=new_version)

    def complete(self, claim: Claim, *, new_version: int | None = None, affected_records: int | None = None) -> None:
        """Record that the key of `claim` is rotated.

        new_version: the number of the new version, if there is one. affected_records: the number of records that
        were encrypted again; None if it is unknown.

        Call this in the transaction that writes the new version. Raises `LeaseLostError` if the lease has expired or
        the rotation has ended; then roll that transaction back.
        """
        with self.transaction():
            self._change_claimed(claim, "complete", new_version=new_version, affected_records=affected_records)

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
            self._change_claimed(claim, "fail", error=storable(error), seconds=rest)
            (row,) = self._storage.rows("find_claim", id=self._storage.encode_id(claim.id))
            return self._storage.decode_time(row["next_retry_at"]) if retry else None

    def find(self, rotation: uuid.UUID, claimed_by: str) -> Claim:
        """Return the claim of a running rotation, for a program that has only its id and `claimed_by`.

        Raises `LeaseLostError` if the rotation is not running or has another claim.
        """
        with self.transaction():
            rows = self._storage.rows("find_claim", id=self._storage.encode_id(rotation))
            if not rows or rows[0]["claimed_by"] != claimed_by or rows[0]["status"] != "RUNNING":
                raise _lost(rotation, claimed_by)
            return self._claim_of(rows[0], None)

    def _change_claimed(self, claim: Claim, statement: str, **values: object) -> None:
        found = self._storage.encode_id(claim.id)
        if self._storage.changed(statement, id=found, claimed_by=claim.claimed_by, **values) != 1:
            raise _lost(claim.id, claim.claimed_by)

    def _closed_policies(self) -> tuple[list[uuid.UUID], list[RotationError]]:
        """Return the policies whose window is closed by the database's clock, and the unknown time zones."""
        closed, faults = [], []
        for row in self._storage.rows("windows"):
            window = _window_of(row)
            try:
                if window is None or window.is_open(self._storage.decode_time(row["now"])):
                    continue
            except RotationError as error:
                faults.append(error)
            closed.append(_uuid(row["id"]))
        return closed, faults

    def _listed(self, row: Row) -> ListedRotation:
        values: dict[str, Any] = {name: row[name] for name in _STORED}
        times: dict[str, Any] = {name: row[name] and self._storage.decode_time(row[name]) for name in _TIMES}
        return ListedRotation(id=_uuid(row["id"]), window=_window_of(row), **times, **values)

    def _claim_of(self, row: Row, taken_over_from: str | None) -> Claim:
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
            lease_expires_at=self._storage.decode_time(row["lease_expires_at"]),
            taken_over_from=taken_over_from,
            new_version=row["new_version"],
        )


def _window_of(row: Row) -> Window | None:
    """Return the window of the policy in a row; None without one."""
    if row["rotation_window_start"] is None:
        return None
    return Window(row["policy_name"], row["rotation_window_start"], row["rotation_window_end"], row["timezone"])


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


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
