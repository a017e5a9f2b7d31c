"""The root key that a process was given under a reference, against the one that the database is under."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, OpeningRefusedError, RootKeyError
from kms_schema.models import HsmConfiguration, KeyVersion

_NOT_ALLOWED = "42501"


def require_same_root(session: Session, wrapping: KeyWrapping, reference: str) -> None:
    """Raise `RootKeyError` if a version under a reference does not open with the root key given for it.

    Another root key under the same reference would be accepted for writing. Two keys would then have one name, and
    after the mistake is corrected nothing that was made meanwhile would open. One version is read, if there is one.
    Raises `WrappingKeyError` where there is no root key of that reference. Example::

        require_same_root(session, KeyWrapping(roots), "kms://root-2026")
    """
    under = sa.select(KeyVersion).where(
        KeyVersion.wrapping_key_ref == reference, KeyVersion.encrypted_key_data.is_not(None)
    )
    with session.no_autoflush:
        version = session.scalars(under.limit(1)).first()
    if version is None:
        return
    try:
        wrapping.unwrap(version).wipe()
    except OpeningRefusedError:
        raise RootKeyError(
            f"the root key given for {reference!r} is not the one that version {version.version_number} of key"
            f" {version.key.key_id!r} is under: give that one, and run kms-schema roots check"
        ) from None


def require_same_root_for_credentials(session: Session, wrapping: KeyWrapping, reference: str) -> None:
    """Raise `RootKeyError` if the root key given for a reference is another one than that of what is stored under it.

    - `session`: in a transaction; its login needs kms_admin. `wrapping`, `reference`: as for `require_same_root`

    The credentials of one HSM under the reference are opened; without any, a version is, if the login may read
    material: kms_admin alone may not. Raises `WrappingKeyError` as `require_same_root` does. Example::

        require_same_root_for_credentials(session, wrapping, "kms://root-2026")
        wrapping.encrypt_credentials(configuration, {"pin": pin}, under="kms://root-2026")
    """
    stored = sa.select(HsmConfiguration).where(
        HsmConfiguration.wrapping_key_ref == reference, HsmConfiguration.authentication_config.is_not(None)
    )
    with session.no_autoflush:
        other = session.scalars(stored.limit(1)).first()
    if other is None:
        _require_same_root_if_readable(session, wrapping, reference)
        return
    try:
        wrapping.open_credentials(other, reference).wipe()
    except OpeningRefusedError:
        raise RootKeyError(
            f"the root key given for {reference!r} is not the one that the credentials of HSM"
            f" {other.configuration_name!r} are under: give that one, and run kms-schema roots check"
        ) from None


def _require_same_root_if_readable(session: Session, wrapping: KeyWrapping, reference: str) -> None:
    try:
        with session.begin_nested():
            require_same_root(session, wrapping, reference)
    except sa.exc.ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _NOT_ALLOWED:
            raise
