"""The session that holds a lock of PostgreSQL and the session that waits for it, as far as the role can read.

This module imports no driver.
"""

import re
from collections.abc import Sequence

from kms_schema.database.lock_keys import LOCK_KEY
from kms_schema.text.identifiers import literal

LOCK_WAIT_SECONDS = 10.0
"""How long a command waits for a lock, unless it has the option --lock-wait: on a SQLite file, too."""

POLL_SECONDS = 0.1
"""The pause between two attempts; no statement waits at the server meanwhile."""

# A session that waits for a strong lock keeps later ones waiting as its holder would: it is named with the session that
# it waits for, which may only read.
_SESSION = """WITH locks AS MATERIALIZED (
    SELECT * FROM pg_catalog.pg_locks WHERE pid IS DISTINCT FROM pg_catalog.pg_backend_pid() AND (
        database IS NULL OR database = 0
        OR database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    )
)
SELECT held.pid, client.usename, client.application_name, pg_catalog.host(client.client_addr),
    pg_catalog.to_char(client.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'),
    pg_catalog.to_char(client.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), pg_catalog.quote_literal(prepared.gid),
    prepared.owner, pg_catalog.to_char(prepared.prepared, 'YYYY-MM-DD HH24:MI:SS TZ'), queued.*
FROM locks AS held LEFT JOIN pg_catalog.pg_stat_activity AS client ON client.pid = held.pid
    LEFT JOIN locks AS own ON held.pid IS NULL AND own.pid IS NULL
        AND own.locktype = 'transactionid' AND own.virtualtransaction = held.virtualtransaction
    LEFT JOIN pg_catalog.pg_prepared_xacts AS prepared ON prepared.transaction = own.transactionid
    LEFT JOIN LATERAL (
        SELECT queued.pid, waiting.usename, waiting.application_name, pg_catalog.host(waiting.client_addr),
            pg_catalog.to_char(waiting.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ')
        FROM locks AS queued LEFT JOIN pg_catalog.pg_stat_activity AS waiting ON waiting.pid = queued.pid
        WHERE NOT queued.granted AND ({queued}) AND queued.relation IS NOT DISTINCT FROM held.relation
            AND coalesce(held.pid, 0) = ANY (pg_catalog.pg_blocking_pids(queued.pid))
        ORDER BY pg_catalog.cardinality(pg_catalog.pg_blocking_pids(queued.pid)) LIMIT 1
    ) AS queued ON true
WHERE held.granted AND (({held}) OR queued.pid IS NOT NULL)
ORDER BY client.xact_start, client.backend_start, held.pid LIMIT 1"""
_COLUMNS = (  # of a session, then of a prepared transaction, which has no server process; a waiter has the first five
    "server process",
    "role",
    "application",
    "client",
    "connected since",
    "in a transaction since",
    "prepared transaction",
    "of role",
    "prepared at",
)


def _session(condition: str) -> str:
    """Return the query for a session with a lock, as `held`, or one that waits for such a lock, and its holder."""
    return _SESSION.format(held=condition, queued=condition.replace("held.", "queued."))


_UPGRADES = (
    "held.locktype = 'advisory' AND held.objsubid = 1"
    f" AND held.classid = {LOCK_KEY >> 32} AND held.objid = {LOCK_KEY & 0xFFFF_FFFF}"
)

_END_WITH_CLIENT = """SELECT set_config(name, '1s', true) FROM pg_settings
WHERE name = 'client_connection_check_interval' AND setting = '0' AND version() ~ 'linux'"""

UPGRADE = _session(_UPGRADES)
"""The query for the session that holds the lock of upgrades."""

TABLES = _session(
    f"""{_UPGRADES} OR held.locktype = 'relation' AND held.relation >= 16384 AND held.mode IN
    ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"""
)
"""The query for a session whose lock, held or waited for, keeps others from a table, or the lock of upgrades."""


def rows_of(context: str) -> str:
    """Return the query for the oldest transaction that has written or locked rows of a relation which `context` names.

    context: that of the server's error about the wait: it has the table of the row, or the index of the key.
    """
    words = re.sub(r"\W", " ", context)
    return _session(
        f"""held.locktype = 'relation' AND held.relation >= 16384
    AND held.mode IN ('RowShareLock', 'RowExclusiveLock') AND pg_catalog.strpos('{words}', (
        SELECT relation.relname::text FROM pg_catalog.pg_class AS relation WHERE relation.oid = held.relation
    )) > 0"""  # noqa: S608  (letters, digits and blanks)
    )


def durable() -> str:
    """Return the statement after which COMMIT waits until it is on the disk, also where the server would not.

    It applies to the transaction. A value that waits for a standby, too, is kept.
    """
    return (
        "SELECT pg_catalog.set_config('synchronous_commit', 'on', true)"
        " WHERE pg_catalog.current_setting('synchronous_commit')"
        " OPERATOR(pg_catalog.=) ANY (ARRAY['off', 'local']::pg_catalog.text[])"
    )


def limits(seconds: float) -> str:
    """Return the statements that let the current transaction wait `seconds` for each lock, with pg_catalog its path.

    The server also ends a wait whose client has gone: from version 14 on, where the operating system reports that.
    """
    milliseconds = min(max(round(seconds * 1000), 1), 2**31 - 1)  # 0 would be no limit
    return f"SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL lock_timeout = {milliseconds}; {_END_WITH_CLIENT}"


def sealing(seals: str) -> str:
    """Return the query for the session that writes to the table of seals, or has locked it; `seals` is quoted."""
    return _session(f"{_on(seals)} AND held.mode NOT IN ('AccessShareLock', 'RowShareLock')")


def refreshing(view: str) -> str:
    """Return the query for the session that refreshes a materialized view; `view` is quoted."""
    return _session(f"{_on(view)} AND held.mode IN ('ExclusiveLock', 'AccessExclusiveLock')")


def _on(relation: str) -> str:
    return f"held.locktype = 'relation' AND held.relation = pg_catalog.to_regclass({literal(relation)})"


def described(row: Sequence[object] | None) -> str:
    """Return a row of these queries in brackets, after a blank; empty without a row.

    described((4711, "kms_sealer", "", *[None] * 11)) == " (server process 4711, role kms_sealer)"
    """
    if row is None:
        return ""
    holder = _named(row[: len(_COLUMNS)])
    waiter = _named(row[len(_COLUMNS) :])
    return f" ({holder}{waiter and f'; behind it {waiter} waits, and keeps later sessions waiting'})"


def _named(values: Sequence[object]) -> str:
    return ", ".join(f"{column} {value}" for column, value in zip(_COLUMNS, values, strict=False) if value)
