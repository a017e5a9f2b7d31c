"""Turns errors of the driver into those of the key ring."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from kms_schema.keyring.errors import (
    CiphertextTagError,
    DatabaseUnavailableError,
    KeyNotPermittedError,
    StatusChangeError,
)

_INSUFFICIENT_PRIVILEGE = "42501"


def sqlstate(error: sa.exc.DBAPIError) -> str | None:
    """Return the SQLSTATE of a driver's error; None if it has none."""
    state: str | None = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return state


def is_refused(error: sa.exc.DBAPIError) -> bool:
    """Return whether the login role lacks a privilege."""
    return sqlstate(error) == _INSUFFICIENT_PRIVILEGE


def is_busy(error: sa.exc.DBAPIError) -> bool:
    """Return whether SQLite refused the statement because another connection has, or had, the write lock."""
    code: int = getattr(error.orig, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY


def is_of_asyncpg(error: BaseException) -> bool:
    """Return whether the error is of asyncpg, which may not be installed."""
    return type(error).__module__.partition(".")[0] == "asyncpg"


@contextmanager
def translated(key_id: str | None, needs: str) -> Iterator[None]:
    """Raise errors of the key ring in place of the driver's. `needs` names the roles that may do it."""
    try:
        yield
    except sa.exc.TimeoutError:
        raise DatabaseUnavailableError("no connection became free in the pool of the key ring", key_id=key_id) from None
    except sa.exc.DBAPIError as error:
        first = _first_line(error.orig)
        if is_refused(error):
            raise KeyNotPermittedError(f"this needs a login in {needs}: {first}", key_id=key_id) from None
        if isinstance(error, sa.exc.IntegrityError) and "ciphertext_tag" in first:
            raise CiphertextTagError(f"the database refuses the ciphertext tag: {first}", key_id=key_id) from None
        if isinstance(error, sa.exc.IntegrityError):
            raise StatusChangeError(f"the database refuses the change: {first}", key_id=key_id) from None
        # Errors without a statement are those of connecting: asyncpg has no class for them.
        is_lost = error.connection_invalidated or error.statement is None
        if is_lost or isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
            raise DatabaseUnavailableError(f"the database cannot be used: {first}", key_id=key_id) from None
        raise
    except Exception as error:
        # SQLAlchemy passes on what asyncpg raises when it connects.
        if not isinstance(error, OSError) and not is_of_asyncpg(error):
            raise
        raise DatabaseUnavailableError(f"the database cannot be used: {_first_line(error)}", key_id=key_id) from None


def _first_line(error: BaseException | None) -> str:
    """Return the first line of a driver's message, or the name of the error where it has none."""
    if error is not None and type(error).__module__.startswith("sqlalchemy."):
        error = error.__cause__ or error  # of asyncpg: SQLAlchemy's error begins with the name of a class
    return next(iter(str(error).splitlines()), "") or type(error).__name__
