"""The root key that a process was given under a reference, against the one that the database is under."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, OpeningRefusedError, RootKeyError
from kms_schema.models import KeyVersion


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
