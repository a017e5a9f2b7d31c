"""Destroys versions of KEKs that ended long ago and wrap nothing.

A version is destroyed only if each transaction that was open when it ended has ended: it may have read the version as
the live one. Wrapping locks the wrapper FOR SHARE, so nothing is wrapped by a version between count and destruction.
"""

import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from kms_schema.keyring.rotation_queue import RingQueue
from kms_schema.models import KeyMaster, KeyRotation, KeyVersion, current_time
from kms_schema.vocabulary import KeyType, RotationStatus

LEAST = dt.timedelta(hours=24)
"""The least time between the end of a version and its destruction."""
TYPES = (KeyType.KEK,)
"""The types of keys whose versions are looked for. A `dek` belongs here once `count_ciphertexts` can count."""
_A_ROUND = 1000
_SECONDS = 2.0
"""How long to wait for transactions of other logins, whose beginning this role may not see."""

_OLD_TRANSACTIONS = sa.text("""
    SELECT lock.virtualtransaction AS name, activity.pid, activity.xact_start IS NOT NULL AS is_seen
    FROM pg_catalog.pg_stat_activity AS activity
    JOIN pg_catalog.pg_locks AS lock ON lock.pid = activity.pid AND lock.locktype = 'virtualxid' AND lock.granted
    WHERE activity.datname = pg_catalog.current_database() AND activity.pid <> pg_catalog.pg_backend_pid()
        AND (activity.xact_start IS NULL OR activity.xact_start < :since)
    UNION ALL
    SELECT gid, NULL, true FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()
""")
_STILL_OPEN = sa.text("""
    SELECT pid FROM pg_catalog.pg_locks
    WHERE locktype = 'virtualxid' AND granted AND virtualtransaction = ANY (:names)
""")


class EndedVersions:
    """The versions that may be destroyed."""

    def __init__(self, queue: RingQueue, after: dt.timedelta) -> None:
        """Destroy versions that ended longer ago than `after`. Raises `ValueError` for less than 24 hours."""
        if after < LEAST:
            raise ValueError("a version is destroyed 24 hours after its end at the earliest: give a day or more")
        self._queue, self._after = queue, after

    def destroy(self, stop: threading.Event, report: Callable[[str], None]) -> int:
        """Destroy them, one transaction each; return the number."""
        with self._queue.transaction() as (session, _):
            since = session.execute(sa.select(current_time())).scalar_one() - self._after
            found = session.execute(_ended(since).limit(_A_ROUND)).all()
        if not found:
            return 0
        blocking = self._open_transaction(since)
        if blocking is not None:
            report(f"{len(found)} versions are not destroyed: {blocking}")
            return 0
        done = 0
        for version, key_id, number in found:
            if stop.is_set():
                break
            if self._destroy(version, key_id, since):
                done += 1
                report(f"key {key_id!r}: version {number} is destroyed")
        return done

    def _destroy(self, version: uuid.UUID, key_id: str, since: dt.datetime) -> bool:
        with self._queue.transaction(key_id) as (session, _):
            locked = sa.select(KeyVersion.id).where(KeyVersion.id == version).with_for_update(key_share=True)
            session.execute(locked)
            # Only now: a statement after the lock sees all versions that others have wrapped by it.
            if session.execute(_ended(since).where(KeyVersion.id == version)).one_or_none() is None:
                return False
            if not _is_unused(session, version):
                return False
            session.execute(
                sa.update(KeyVersion)
                .where(KeyVersion.id == version)
                .values(destroyed_at=current_time(), encrypted_key_data=None)
            )
            return True

    def _open_transaction(self, since: dt.datetime) -> str | None:
        """Return a sentence about a transaction that may be open since then; None if there is none.

        SQLite has one writer at a time, and none that read before another one wrote.
        """
        with self._queue.transaction() as (session, _):
            if session.get_bind().dialect.name != "postgresql":
                return None
            rows = session.execute(_OLD_TRANSACTIONS, {"since": since}).all()
            seen = [row for row in rows if row.is_seen]
            if seen:
                named = f"session {seen[0].pid}" if seen[0].pid else f"prepared transaction {seen[0].name!r}"
                return f"{named} has had a transaction open since before {since:%Y-%m-%d %H:%M} UTC"
            return _wait_for(session, [row.name for row in rows])


def _wait_for(session: Session, names: Sequence[str]) -> str | None:
    """Wait until these transactions have ended: those that are there now include all that were open before."""
    deadline = time.monotonic() + _SECONDS
    while names:
        left = session.execute(_STILL_OPEN, {"names": list(names)}).scalars().all()
        if not left:
            break
        if time.monotonic() > deadline:
            return (
                f"session {left[0]} of another login has a transaction open, since when is not visible: wait until it"
                " ends, or grant pg_read_all_stats to this login"
            )
        time.sleep(0.05)
    return None


def _ended(since: dt.datetime) -> Any:  # a Select, whose type differs between SQLAlchemy 2.0 and 2.1
    """Return a query of the versions that ended before `since` and wrap nothing; not while their key is rotated."""
    wrapped = aliased(KeyVersion)
    wraps = sa.exists().where(wrapped.wrapped_by_version_id == KeyVersion.id, wrapped.destroyed_at.is_(None))
    open_rotation = sa.exists().where(
        KeyRotation.key_id == KeyVersion.key_id,
        KeyRotation.status.in_([RotationStatus.SCHEDULED, RotationStatus.RUNNING]),
    )
    return (
        sa.select(KeyVersion.id, KeyMaster.key_id, KeyVersion.version_number)
        .join(KeyMaster, KeyMaster.id == KeyVersion.key_id)
        .where(
            KeyMaster.key_type.in_(TYPES),
            KeyVersion.deactivated_at <= since,
            KeyVersion.destroyed_at.is_(None),
            KeyVersion.encrypted_key_data.is_not(None),
            ~wraps,
            ~open_rotation,
        )
        .order_by(KeyVersion.id)
    )


def _is_unused(session: Session, version: uuid.UUID) -> bool:
    """Return whether nothing is encrypted with a version: of a KEK, nothing is wrapped by it."""
    query = sa.select(KeyMaster.key_type).join(KeyVersion, KeyVersion.key_id == KeyMaster.id)
    if session.execute(query.where(KeyVersion.id == version)).scalar_one() == KeyType.KEK:
        return True
    return count_ciphertexts(session, version) == 0


def count_ciphertexts(session: Session, version: uuid.UUID) -> int | None:
    """Return how many ciphertexts of a version its declared columns hold; None if its columns are not known."""
    del session, version
    return None
