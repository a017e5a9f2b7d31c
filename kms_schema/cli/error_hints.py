"""What to do when a database cannot be read, by what the server or SQLite says of it."""

from collections.abc import Mapping

_AGAIN = "run this again"
_BESIDE = "to read it, SQLite has to write beside it: run this as a user who may, or on a copy of all its files"

_BY_SQLSTATE: Mapping[str, str] = {
    "55P03": f"somebody holds a table exclusively, for an ALTER TABLE or a REFRESH: {_AGAIN} when that has ended",
    "57014": f"somebody cancelled it, or it took too long: {_AGAIN} when the server has less to do",
    "57P01": f"somebody ended the connection, or the server is shutting down: {_AGAIN}",
    "57P02": f"the server crashed: {_AGAIN} when it has recovered",
    "57P05": f"idle_session_timeout is set for this role: {_AGAIN}, with another role",
    "25P03": f"the program stood still: {_AGAIN}",
    "42703": "bring the database to the newest revision: kms-schema upgrade",
    "42P01": "there is no database of this package here, or in another schema: kms-schema current says",
    "42501": "grant it to the role, or run this as another",
}
_BY_MESSAGE: Mapping[str, str] = {
    "attempt to write a readonly database": f"it has a write-ahead log, or a journal that a crash left; {_BESIDE}",
    "unable to open database file": f"this user may not read it, or it has a write-ahead log; {_BESIDE}",
    "database is locked": f"another process holds its lock: {_AGAIN} when that has ended",
    "not authorized": "a trigger or view in the file wants to write through this program: kms-schema validate names it",
    "no such column": "bring the database to the newest revision: kms-schema upgrade",
    "malformed": "restore the file from a backup",
    "file is not a database": "name another file",
    "server closed the connection": f"it was ended, or the server crashed: {_AGAIN}",
}


def with_hint(message: str, sqlstate: str | None = None) -> str:
    """Return what went wrong, and what to do where that is known."""
    told = (to_do for said, to_do in _BY_MESSAGE.items() if said in message)
    known = _BY_SQLSTATE.get(sqlstate or "") or next(told, "")
    return f"{message}; {known}" if known else message
