"""Turns errors of the driver into those of the key ring."""

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


@contextmanager
def translated(key_id: str | None, needs: str) -> Iterator[None]:
    """Raise errors of the key ring in place of the driver's. `needs` names the roles that may do it."""
    try:
        yield
    except sa.exc.TimeoutError:
        raise DatabaseUnavailableError("no connection became free in the pool of the key ring", key_id=key_id) from None
    except sa.exc.DBAPIError as error:
        first = str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__
        if is_refused(error):
            raise KeyNotPermittedError(f"this needs a login in {needs}: {first}", key_id=key_id) from None
        if isinstance(error, sa.exc.IntegrityError) and "ciphertext_tag" in first:
            raise CiphertextTagError(f"the database refuses the ciphertext tag: {first}", key_id=key_id) from None
        if isinstance(error, sa.exc.IntegrityError):
            raise StatusChangeError(f"the database refuses the change: {first}", key_id=key_id) from None
        if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) or error.connection_invalidated:
            raise DatabaseUnavailableError(f"the database cannot be used: {first}", key_id=key_id) from None
        raise
