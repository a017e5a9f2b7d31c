"""The statements of the queue of rotations, with values as Python has them. Their SQL is in `queries`."""

import datetime as dt
import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any, NamedTuple

from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.reading.queries import Queries
from kms_schema.reading.reader import Reader, id_of
from kms_schema.reading.times import time_of
from kms_schema.rotations.claims import Claim, Window
from kms_schema.rotations.listing import ListedRotation, NextDue, Pending

QUERIES = Queries(__file__)

Row = Mapping[str, Any]

_TIMES = ("scheduled_at", "ended_at", "next_retry_at", "lease_expires_at")
_STORED = {each.name for each in fields(ListedRotation)} - {"id", "window", *_TIMES}


class Claimable(NamedTuple):
    """A rotation that can be claimed."""

    id: Any
    """As the engine stores it."""
    claimed_by: str | None
    """The earlier claim, whose lease has expired."""


class Statements(ABC):
    """The rotations of one database."""

    def __init__(self, connection: DatabaseConnection, schema: str) -> None:
        """Take a connection, idle or in a transaction, and the schema on PostgreSQL, unquoted."""
        self._reader = Reader(connection, schema, QUERIES)

    @abstractmethod
    def transaction(self) -> AbstractContextManager[object]:
        """Open a transaction that commits unless an exception ends it, or join the open one."""

    def due(self) -> Sequence[Row]:
        """Return the rows of `rotations_due` by column name."""
        return self._reader.dicts("due")

    def next_due(self) -> NextDue | None:
        """Return the key that is due next by a date."""
        for key_id, reason, due_at, policy_name in self._reader.rows("next_due"):
            return NextDue(key_id, reason, time_of(due_at), policy_name)
        return None

    def listed(self, status: str, limit: int, *, latest_first: bool) -> list[ListedRotation]:
        """Return rotations with a status, by the time for which they were planned."""
        order = "DESC" if latest_first else "ASC"
        return [_listed(row) for row in self._reader.dicts("list", {"order": order}, status=status, limit=limit)]

    def now(self) -> dt.datetime:
        """Return the time of the database's clock."""
        [(now,)] = self._reader.rows("now")
        return time_of(now)

    def pending(self) -> list[Pending]:
        """Return the numbers of rotations that wait, by policy and reason."""
        return [
            Pending(count, bool(retried), time_of(earliest), _window_of(*policy))
            for count, retried, earliest, *policy in self._reader.rows("waiting")
        ]

    def windows(self) -> list[tuple[uuid.UUID, Window, dt.datetime]]:
        """Return the policies with a window: the id, the window, and the time of the database's clock."""
        return [
            (id_of(found), window, time_of(now))
            for found, now, *policy in self._reader.rows("windows")
            if (window := _window_of(*policy)) is not None
        ]

    def schedule(self, limit: int) -> int:
        """Plan rotations of up to `limit` keys that are due."""
        return self._reader.changed("schedule", limit=limit)

    def retry(self, limit: int) -> int:
        """Plan up to `limit` failed rotations again if their time has come; clear retries of keys rotated since."""
        self._reader.changed("forget")
        return self._plan_retries(limit)

    def _plan_retries(self, limit: int) -> int:
        return self._reader.changed("retry", limit=limit)

    def backfill(self, limit: int) -> int:
        """Recompute up to `limit` index bounds of live versions that have none, or are too high for a policy."""
        done = 0
        for statement in ("missing_index_bounds", "high_usage_index_bounds", "high_volume_index_bounds"):
            if done < limit:
                done += self._reader.changed(statement, limit=limit - done)
        return done

    def next_expired(self, closed: list[uuid.UUID]) -> Claimable | None:
        """Return a rotation whose lease has expired, of no policy in `closed`."""
        return next(iter(self._reader.read(Claimable, "next_expired", closed=closed)), None)

    def next_scheduled(self, closed: list[uuid.UUID]) -> Claimable | None:
        """Return the rotation that is planned for the earliest time that has come, of no policy in `closed`."""
        return next(iter(self._reader.read(Claimable, "next_scheduled", closed=closed)), None)

    def claim(self, found: Claimable, claimed_by: str, seconds: float) -> None:
        """Claim a rotation under a lease."""
        self._reader.changed("claim", id=found.id, claimed_by=claimed_by, seconds=seconds)

    def find(self, rotation: object) -> list[Row]:
        """Return the rotation of an id with its key by column name, or nothing."""
        return [*self._reader.dicts("find_claim", id=rotation)]

    def renew(self, claim: Claim, seconds: float) -> bool:
        """Extend the lease of a claim; return whether it is valid."""
        return self._change("renew", claim, seconds=seconds)

    def record_version(self, claim: Claim, new_version: int) -> bool:
        """Record the new version; return whether the claim is valid."""
        return self._change("record_version", claim, new_version=new_version)

    def complete(self, claim: Claim, new_version: int | None, affected_records: int | None) -> bool:
        """Record that the rotation is done; return whether the claim is valid."""
        return self._change("complete", claim, new_version=new_version, affected_records=affected_records)

    def fail(self, claim: Claim, error: str, seconds: float | None) -> bool:
        """Record a failure, and the seconds until the next attempt; return whether the claim is valid."""
        return self._change("fail", claim, error=error, seconds=seconds)

    def _change(self, statement: str, claim: Claim, **values: object) -> bool:
        return self._reader.changed(statement, id=claim.id, claimed_by=claim.claimed_by, **values) == 1


def claim_of(row: Row, taken_over_from: str | None) -> Claim:
    """Return the claim of a row that `Statements.find` returned."""
    details = row["trigger_details"]
    return Claim(
        id=id_of(row["id"]),
        key_master_id=id_of(row["key_master_id"]),
        key_id=row["key_id"],
        trigger=row["trigger"],
        details=json.loads(details) if isinstance(details, str) else details or {},
        old_version=row["old_version"],
        live_version=row["live_version"],
        retry_count=row["retry_count"],
        max_retries=row["max_retries"],
        claimed_by=row["claimed_by"],
        lease_expires_at=time_of(row["lease_expires_at"]),
        taken_over_from=taken_over_from,
        new_version=row["new_version"],
    )


def _listed(row: Row) -> ListedRotation:
    values: dict[str, Any] = {name: row[name] for name in _STORED}
    times: dict[str, Any] = {name: row[name] and time_of(row[name]) for name in _TIMES}
    window = _window_of(*(row[name] for name in _WINDOW))
    return ListedRotation(id=id_of(row["id"]), window=window, **times, **values)


_WINDOW = ("policy_name", "rotation_window_start", "rotation_window_end", "timezone")


def _window_of(policy_name: str, start: Any, end: Any, timezone: str) -> Window | None:
    """Return the window of a policy; None without one."""
    return None if start is None else Window(policy_name, start, end, timezone)
