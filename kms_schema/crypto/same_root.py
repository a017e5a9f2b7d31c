"""Compare the root key that a process has for a reference with the root key of the database's envelopes.

Another root key under the same reference would be accepted for writing. Two keys would then have one name, and after
the mistake is corrected nothing that was made meanwhile would open.
"""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from kms_schema.crypto.errors import OpeningRefusedError, RootKeyError
from kms_schema.crypto.key_wrapping import KeyWrapping
from kms_schema.crypto.secret import Secret
from kms_schema.database.messages import NOT_PERMITTED, sqlstate_of
from kms_schema.models import HsmConfiguration, KeyVersion

_TRIED = 5
"""Rows that are opened until one opens: a single one that was damaged says nothing about the root key."""


def require_same_root(session: Session, wrapping: KeyWrapping, reference: str) -> None:
    """Raise `RootKeyError` if versions under a reference do not open with the root key given for it.

    One version is opened, if there is one; others where it does not open. Raises `WrappingKeyError` where there is no
    root key of that reference. Example::

        require_same_root(session, KeyWrapping(roots), "kms://root-2026")
    """
    under = sa.select(KeyVersion).where(
        KeyVersion.wrapping_key_ref == reference, KeyVersion.encrypted_key_data.is_not(None)
    )
    with session.no_autoflush:
        found = session.scalars(under.limit(_TRIED)).all()
        _require_one_opens(
            found, wrapping.unwrap, reference,
            lambda version: f"version {version.version_number} of key {version.key.key_id!r} is",
        )  # fmt: skip


def require_same_root_for_credentials(session: Session, wrapping: KeyWrapping, reference: str) -> None:
    """Raise `RootKeyError` if stored credentials under a reference do not open with the root key given for it.

    - `session`: in a transaction; its login needs kms_admin. `wrapping`, `reference`: as for `require_same_root`

    The credentials of an HSM under the reference are opened; without any, a version is, if the login may read
    material: kms_admin alone may not. Raises `WrappingKeyError` as `require_same_root` does. Example::

        require_same_root_for_credentials(session, wrapping, "kms://root-2026")
        wrapping.encrypt_credentials(configuration, {"pin": pin}, under="kms://root-2026")
    """
    if not _some_credentials_open(session, wrapping, reference):
        _if_readable(session, lambda: require_same_root(session, wrapping, reference))


def require_same_root_for_rewrap(session: Session, wrapping: KeyWrapping, reference: str) -> None:
    """Raise `RootKeyError` as above, for versions and for the credentials that the login may read.

    The old root key may be destroyed after a rewrap, so what is under neither of the two would be lost. `session`: in a
    transaction; its login needs kms_rotator. Raises `WrappingKeyError` as `require_same_root` does. Example::

        require_same_root_for_rewrap(session, wrapping, "kms://root-2027")
    """
    require_same_root(session, wrapping, reference)
    _if_readable(session, lambda: _some_credentials_open(session, wrapping, reference))


def _some_credentials_open(session: Session, wrapping: KeyWrapping, reference: str) -> bool:
    """Return whether there are credentials under a reference. Raises `RootKeyError` if they do not open."""
    stored = (
        sa.select(HsmConfiguration)
        .where(HsmConfiguration.wrapping_key_ref == reference, HsmConfiguration.authentication_config.is_not(None))
        .options(load_only(HsmConfiguration.configuration_name, HsmConfiguration.authentication_config))
    )
    with session.no_autoflush:
        found = session.scalars(stored.limit(_TRIED)).all()
        _require_one_opens(
            found, lambda row: wrapping.open_credentials(row, reference), reference,
            lambda row: f"the credentials of HSM {row.configuration_name!r} are",
        )  # fmt: skip
    return bool(found)


def _require_one_opens(
    found: Sequence[Any], opened: Callable[[Any], Secret], reference: str, is_named: Callable[[Any], str]
) -> None:
    for each in found:
        try:
            opened(each).wipe()
        except OpeningRefusedError:
            continue
        return
    if found:
        raise RootKeyError(
            f"the root key given for {reference!r} is not the one that {is_named(found[0])} under: give that one, and"
            " run kms-schema roots check"
        )


def _if_readable(session: Session, work: Callable[[], object]) -> None:
    """Do `work`, unless the login may not read what it reads."""
    try:
        with session.begin_nested():
            work()
    except sa.exc.ProgrammingError as error:
        if sqlstate_of(error) != NOT_PERMITTED:
            raise
