"""Entries that are older than they are: time is made to pass, with the guard of UPDATE away meanwhile."""

import sqlite3
from contextlib import closing

from support.engines import Database
from support.statements import execute

GUARD = "prevent_key_audit_log_update"
_NOT_SEALED = "sequence > (SELECT coalesce(max(last_sequence), 0) FROM key_audit_seals)"


def age(
    database: Database, days: int, *, kept: int | None = None, seconds_left: int = 0, rows: str = _NOT_SEALED
) -> None:
    """Make entries so many days older, all but so many seconds; `kept` is for how many days they are to be kept."""
    period = "retention_period_days" if kept is None else str(kept)
    change = f'UPDATE key_audit_logs SET "timestamp" = {{older}}, retention_period_days = {period} WHERE {rows}'  # noqa: S608
    with closing(database.connect()) as connection:
        if isinstance(connection, sqlite3.Connection):
            ((guard,),) = execute(
                connection, "SELECT sql FROM sqlite_master WHERE name = :name", {"name": GUARD}
            ).fetchall()
            execute(connection, f"DROP TRIGGER {GUARD}")
            then = f"substr(\"timestamp\", 1, 23), '-{days} days', '{seconds_left} seconds'"
            older = f"strftime('%Y-%m-%dT%H:%M:%f', {then}) || '000Z'"
            execute(connection, change.format(older=older))
            connection.execute(guard)
            return
        execute(connection, f"ALTER TABLE key_audit_logs DISABLE TRIGGER {GUARD}")
        execute(
            connection,
            change.format(older=f'"timestamp" - make_interval(hours => 24 * {days}, secs => -{seconds_left})'),
        )
        execute(connection, f"ALTER TABLE key_audit_logs ENABLE ALWAYS TRIGGER {GUARD}")
