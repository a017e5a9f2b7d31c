"""Transactions that may have been open since a moment: they may have read what has ended since."""

import datetime as dt
import time
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

_SECONDS = 2.0
"""How long to wait for transactions of other logins, whose beginning this role may not see."""

_OLD_TRANSACTIONS = sa.text("""
    SELECT lock.virtualtransaction AS name, activity.pid, activity.xact_start IS NOT NULL AS is_seen
    FROM pg_catalog.pg_stat_activity AS activity
    JOIN pg_catalog.pg_locks AS lock ON lock.pid = activity.pid AND lock.locktype = 'virtualxid' AND lock.granted
    WHERE activity.datname = pg_catalog.current_database() AND activity.pid <> pg_catalog.pg_backend_pid()
        AND activity.backend_type IS DISTINCT FROM 'autovacuum worker'
        AND (activity.xact_start IS NULL OR activity.xact_start < :since)
    UNION ALL
    SELECT gid, NULL, true FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()
""")
_STILL_OPEN = sa.text("""
    SELECT pid FROM pg_catalog.pg_locks
    WHERE locktype = 'virtualxid' AND granted AND virtualtransaction = ANY (:names)
""")


def transaction_open_since(session: Session, since: dt.datetime) -> str | None:
    """Return a sentence about a transaction that may be open since then; else None.

    SQLite has one writer at a time, and none that read before another one wrote.
    """
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
