"""The messages and the codes of errors of the drivers."""

import sqlite3

NOT_PERMITTED = "42501"
"""SQLSTATE insufficient_privilege: of a missing privilege, and of row security that would leave rows out."""
LOCKED = "55P03"
"""SQLSTATE lock_not_available: of a wait that was longer than lock_timeout."""
UNDEFINED_TABLE = "42P01"
"""SQLSTATE undefined_table."""


def driver_message(error: BaseException) -> str:
    """Return the message of an error in one line, without its context, which can have values.

    - `error`: of psycopg, sqlite3 or SQLAlchemy, which has that of the driver as `orig`

    driver_message(sqlite3.OperationalError("no such table: main.key_masters"))
    """
    found = getattr(error, "orig", None) or error
    diagnostic = getattr(found, "diag", None)
    return " ".join(str(getattr(diagnostic, "message_primary", None) or found).split())


def sqlstate_of(error: BaseException | None) -> str | None:
    """Return the SQLSTATE of an error of a driver of PostgreSQL, or of SQLAlchemy's around it; None if it has none."""
    found = getattr(error, "orig", None) or error
    code: str | None = getattr(found, "sqlstate", None) or getattr(found, "pgcode", None)  # pgcode: psycopg2
    if code is None and found is not None and found.args and isinstance(found.args[0], dict):  # pg8000
        code = found.args[0].get("C")
    return code


def is_busy(error: BaseException) -> bool:
    """Return whether SQLite refused the statement because another connection has, or had, the write lock."""
    code: int = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY
