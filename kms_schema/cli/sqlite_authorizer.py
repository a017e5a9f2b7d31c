"""The authorizer of SQLite connections: a file can make a connection do only what the program itself requests.

Everyone who can write a file can add triggers and views to it, which act through the next connection. On connections of
the program an authorizer refuses their writes, as the statement is compiled.
https://www.sqlite.org/c3ref/set_authorizer.html
"""

import sqlite3
from collections.abc import Callable

_Rule = Callable[[int, str | None, str | None, str | None], bool]
"""Returns whether a statement may write: action, table, column, and the trigger or view that writes, if any."""

_ASKING = frozenset({
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT,
})  # fmt: skip
_DROPPING = frozenset({
    sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_DROP_VIEW, sqlite3.SQLITE_DROP_TRIGGER, sqlite3.SQLITE_DROP_TEMP_TRIGGER,
    sqlite3.SQLITE_DELETE, sqlite3.SQLITE_UPDATE,
})  # fmt: skip
"""The actions of `EXPLAIN DROP TABLE`, from which the validator reads the triggers that SQLite has for a table."""
_OF_OURS = frozenset({
    (sqlite3.SQLITE_UPDATE, "key_audit_logs", "sequence", "guard_key_audit_log_insert_sequence"),
    (sqlite3.SQLITE_UPDATE, "key_audit_logs", "retention_period_days", "guard_key_audit_log_insert_sequence"),
    (sqlite3.SQLITE_INSERT, "key_audit_logs", None, "audit_key_audit_tombstone_insert"),
    (sqlite3.SQLITE_INSERT, "key_audit_daily_totals", None, "summarize_sealed_key_audit_logs"),
    (sqlite3.SQLITE_UPDATE, "key_audit_daily_totals", "event_count", "summarize_sealed_key_audit_logs"),
    (sqlite3.SQLITE_INSERT, "key_rotation_causes", None, "summarize_sealed_key_audit_logs"),
    (sqlite3.SQLITE_UPDATE, "key_audit_daily_totals", "event_count", "summarize_removed_key_audit_logs"),
    (sqlite3.SQLITE_DELETE, "key_audit_daily_totals", None, "summarize_removed_key_audit_logs"),
    (sqlite3.SQLITE_DELETE, "key_rotation_causes", None, "summarize_removed_key_audit_logs"),
    (sqlite3.SQLITE_UPDATE, "key_masters", "updated_at", "touch_key_master_updated_at"),
    (sqlite3.SQLITE_INSERT, "key_audit_logs", None, "audit_key_master_update"),
})  # fmt: skip
"""The writes of the schema's triggers: on insertion of an entry, leaf or tombstone, on removal, and on use."""


def only_read(connection: sqlite3.Connection) -> None:
    """Let a connection only read; views and triggers cannot call functions of extensions.

    Its own statements may be compiled to be explained: the file has to be open read-only, which refuses to run them.
    """
    _authorize(connection, lambda action, _table, _column, trigger: trigger is None and action in _DROPPING)


def only_write_what_is_asked(connection: sqlite3.Connection) -> None:
    """Let the statements of a connection write, but triggers only what the triggers of the schema write."""

    def may(action: int, table: str | None, column: str | None, trigger: str | None) -> bool:
        return trigger is None or (action, table, column, trigger) in _OF_OURS

    _authorize(connection, may)


def _authorize(connection: sqlite3.Connection, may_write: _Rule) -> None:
    def decide(action: int, first: str | None, second: str | None, _database: str | None, trigger: str | None) -> int:
        allowed = action in _ASKING or may_write(action, first, second, trigger)
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    connection.execute("PRAGMA trusted_schema = off")
    connection.set_authorizer(decide)
