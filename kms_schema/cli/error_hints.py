"""The hints for an error, by the SQLSTATE of the server or the message of SQLite."""

from collections.abc import Mapping

_AGAIN = "run this again"
_BESIDE = "to read it, SQLite writes files next to it: run this as a user who may, or on a copy of all its files"

_BY_SQLSTATE: Mapping[str, str] = {
    "55P03": f"another session holds an exclusive lock, for an ALTER TABLE or a REFRESH: {_AGAIN} after it",
    "57014": f"the statement was cancelled, or statement_timeout expired: {_AGAIN} when the server is less busy",
    "57P01": f"the connection was terminated, or the server is shutting down: {_AGAIN}",
    "57P02": f"the server crashed: {_AGAIN} after its recovery",
    "57P05": f"idle_session_timeout is set for this role: {_AGAIN} as another role",
    "25P03": f"the program was suspended: {_AGAIN}",
    "42703": "upgrade the database to the newest revision: kms-schema upgrade",
    "42P01": "the schema is not here, or the database is not migrated: kms-schema current shows the revision",
    "42501": "grant the privilege to the role, or run this as another role",
}
_BY_MESSAGE: Mapping[str, str] = {
    "attempt to write a readonly database": f"it has a write-ahead log, or the journal of a crash; {_BESIDE}",
    "unable to open database file": f"this user may not read it, or it has a write-ahead log; {_BESIDE}",
    "due to lock timeout": f"another session has the lock: {_AGAIN} after it",
    "database is locked": f"another process holds its lock: {_AGAIN} after it",
    "not authorized": "a trigger or view of the file tried to write through this program: kms-schema validate names it",
    "no such column": "upgrade the database to the newest revision: kms-schema upgrade",
    "malformed": "restore the file from a backup",
    "file is not a database": "name another file",
    "server closed the connection": f"it was ended, or the server crashed: {_AGAIN}",
}


def with_hint(message: str, sqlstate: str | None = None) -> str:
    """Return the message, with what to do if that is known."""
    hints = (hint for text, hint in _BY_MESSAGE.items() if text in message)
    hint = _BY_SQLSTATE.get(sqlstate or "") or next(hints, "")
    return f"{message}; {hint}" if hint else message
