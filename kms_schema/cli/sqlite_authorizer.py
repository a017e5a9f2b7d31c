"""What a SQLite file can have done by whoever opens it: nothing but what the program itself asks for.

Whoever can write a file can leave triggers and views in it, which act through the next connection. On our own
connections an authorizer refuses what these would write, as the statement is compiled.
https://www.sqlite.org/c3ref/set_authorizer.html
"""

import sqlite3
from collections.abc import Callable

_Rule = Callable[[int, str | None, str | None, str | None], bool]
"""Whether a statement may write: action, table, column, and the trigger or view that wants it, if one does."""

_ASKING = frozenset({
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT,
})  # fmt: skip
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
"""What triggers of ours write when an entry, a leaf or a tombstone is inserted, an entry removed, or use counted."""


def only_read(connection: sqlite3.Connection) -> None:
    """Let a connection ask, and nothing else; functions of extensions are not called for a view or trigger."""
    _authorize(connection, lambda *_: False)


def only_write_what_is_asked(connection: sqlite3.Connection) -> None:
    """Let the statements of a connection that seals or appends write, and triggers only what ours do."""

    def may(action: int, table: str | None, column: str | None, trigger: str | None) -> bool:
        return trigger is None or (action, table, column, trigger) in _OF_OURS

    _authorize(connection, may)


def _authorize(connection: sqlite3.Connection, may_write: _Rule) -> None:
    def decide(action: int, first: str | None, second: str | None, _database: str | None, trigger: str | None) -> int:
        allowed = action in _ASKING or may_write(action, first, second, trigger)
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    connection.execute("PRAGMA trusted_schema = off")
    connection.set_authorizer(decide)
