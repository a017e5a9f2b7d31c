"""Turns errors of the driver into those of the key ring, and repeats what another transaction has overtaken."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa

from kms_schema.database.messages import NOT_PERMITTED, sqlstate_of
from kms_schema.keyring.errors import (
    DatabaseUnavailableError,
    KeyExistsError,
    KeyNotPermittedError,
    KeyStateError,
    UnknownKeyError,
    WrapperUnavailableError,
)
from kms_schema.text.storable import fault_of

_ATTEMPTS = 5
_OF_VALUES = "22"
"""The class of SQLSTATE of values that a column cannot have, such as one that is too long."""
_PREPARED = ("26000", "42P05")
"""SQLSTATEs of a statement that was prepared by a session other than the one that a proxy gives."""
_POOLED = (
    "a proxy before it pools transactions, and the driver prepares statements: have it follow them"
    " (max_prepared_statements of PgBouncer), or the driver prepare none (prepare_threshold=None of psycopg)"
)

Result = TypeVar("Result")


def is_refused(error: sa.exc.DBAPIError) -> bool:
    """Return whether the login role lacks a privilege."""
    return sqlstate_of(error) == NOT_PERMITTED


def is_of_asyncpg(error: BaseException) -> bool:
    """Return whether the error is of asyncpg, which may not be installed."""
    return type(error).__module__.partition(".")[0] == "asyncpg"


@contextmanager
def translated(key_id: str | None, needs: str) -> Iterator[None]:
    """Raise errors of the key ring in place of the driver's. `needs` names the roles that may do it.

    A name that no database stores is of no key, and is not sent to the driver.
    """
    if key_id is not None and (fault := fault_of(key_id)) is not None:
        raise UnknownKeyError(f"there is no key named {key_id!r}: the name {fault}", key_id=key_id)
    try:
        yield
    except sa.exc.TimeoutError:
        raise DatabaseUnavailableError("no connection became free in the pool of the key ring", key_id=key_id) from None
    except sa.exc.DBAPIError as error:
        first, state = _first_line(error.orig), sqlstate_of(error) or ""
        if is_refused(error):
            raise KeyNotPermittedError(f"this needs a login in {needs}: {first}", key_id=key_id) from None
        if isinstance(error, sa.exc.IntegrityError) and "ciphertext_tag" in first:
            raise KeyExistsError(
                f"the database refuses the ciphertext tag: {first}", key_id=key_id, reason="ciphertext_tag"
            ) from None
        if isinstance(error, sa.exc.IntegrityError) or state.startswith(_OF_VALUES):
            raise KeyStateError(
                f"the database refuses the change: {first}", key_id=key_id, reason="status_change"
            ) from None
        # Any other one: a caller that handles the errors of the ring is to meet none of a driver.
        why = _POOLED if state in _PREPARED else first
        raise DatabaseUnavailableError(f"the database cannot be used: {why}", key_id=key_id) from None
    except OverflowError as error:
        if "SQLite" not in str(error):  # not of the driver, which raises it itself for a number beyond 64 bits
            raise
        raise KeyStateError(
            f"the database refuses the change: {_first_line(error)}", key_id=key_id, reason="status_change"
        ) from None
    except Exception as error:
        # SQLAlchemy passes on what asyncpg raises when it connects.
        if not isinstance(error, OSError) and not is_of_asyncpg(error):
            raise
        raise DatabaseUnavailableError(f"the database cannot be used: {_first_line(error)}", key_id=key_id) from None


def again_if_overtaken(change: Callable[[], Result]) -> Result:
    """Make a version in a transaction; once more if a concurrent one took its tag, or ended the version that wraps it.

    The tags of a transaction are visible to others when it commits, so the constraint refuses the later one.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return change()
        except (KeyExistsError, WrapperUnavailableError) as error:
            if error.reason not in ("ciphertext_tag", "ended"):
                raise
    return change()


def _first_line(error: BaseException | None) -> str:
    """Return the first line of a driver's message, or the name of the error where it has none."""
    if error is not None and type(error).__module__.startswith("sqlalchemy."):
        error = error.__cause__ or error  # of asyncpg: SQLAlchemy's error begins with the name of a class
    return next(iter(str(error).splitlines()), "") or type(error).__name__
