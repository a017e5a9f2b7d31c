"""Finds the wrappers that a user names, and checks whether rewrapping between them is allowed.

A root key that a process has for a reference is compared with that of the database's envelopes. Another one under the
same reference would be accepted for writing. Two keys would then have one name, and after the mistake is corrected
nothing that was made meanwhile would open.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload, load_only

from kms_schema.crypto.errors import OpeningRefusedError, RootKeyError, WrappingKeyError
from kms_schema.crypto.key_wrapping import KeyWrapping, Wrapper
from kms_schema.crypto.secret import Secret
from kms_schema.database.messages import NOT_PERMITTED, sqlstate_of
from kms_schema.models import HsmConfiguration, KeyMaster, KeyVersion
from kms_schema.text.storable import fault_of
from kms_schema.vocabulary import KeyStatus, KeyType

_VERSION = re.compile(r"(?P<key_id>.+):(?P<number>[1-9][0-9]{0,8})", re.DOTALL)


class Move(NamedTuple):
    """The wrappers of a rewrap."""

    source: Wrapper
    target: Wrapper


def find_version(session: Session, key_id: str, number: int) -> KeyVersion | None:
    """Return version `number` of the key named `key_id`, read again by `session`; None if it does not exist."""
    if fault_of(key_id) is not None:
        return None
    query = (
        sa.select(KeyVersion)
        .join(KeyVersion.key)
        .where(KeyMaster.key_id == key_id, KeyVersion.version_number == number)
        .options(joinedload(KeyVersion.key))
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).one_or_none()


def find_move(session: Session, wrapping: KeyWrapping, source: str, target: str) -> Move:
    """Return the wrappers of two names, each a reference or KEY_ID:VERSION.

    Raises `WrappingKeyError` if one is unknown or destroyed, if the target is not in use, and if the target is the
    source, or is under it: it would wrap itself.
    """
    move = Move(_find(session, wrapping, source), _find(session, wrapping, target))
    if move.source == move.target:
        raise WrappingKeyError(f"source and target are both {source!r}: name another target")
    if isinstance(move.source, KeyVersion) and move.source.destroyed_at is not None:
        raise WrappingKeyError(f"{source!r} is destroyed: nothing that it wrapped can be opened")
    check_in_use(move.target)
    if move.source in _above(move.target):
        raise WrappingKeyError(
            f"{target!r} is wrapped by {source!r}, directly or not: rewrap it under another wrapper first"
        )
    return move


def _above(wrapper: Wrapper) -> list[Wrapper]:
    """Return the wrappers above one, up to the root. A cycle, which the database refuses, is followed once."""
    found: list[Wrapper] = []
    while isinstance(wrapper, KeyVersion):
        above = wrapper.wrapped_by or wrapper.wrapping_key_ref
        if above is None or above in found:
            break
        found.append(above)
        wrapper = above
    return found


def check_in_use(target: Wrapper) -> None:
    """Raise `WrappingKeyError` unless this may wrap: a root key, or the live version of an active key."""
    if isinstance(target, str):
        return
    if target.destroyed_at is not None:
        raise WrappingKeyError(f"{name_of(target)!r} is destroyed")
    if not target.is_live or target.key.status != KeyStatus.ACTIVE:
        raise WrappingKeyError(f"{name_of(target)!r} is not the live version of an active key, so it cannot wrap")


def name_of(wrapper: Wrapper) -> str:
    """Return the name that users give: a reference, or KEY_ID:VERSION."""
    return wrapper if isinstance(wrapper, str) else f"{wrapper.key.key_id}:{wrapper.version_number}"


def _find(session: Session, wrapping: KeyWrapping, named: str) -> Wrapper:
    match = _VERSION.fullmatch(named)
    version = find_version(session, match["key_id"], int(match["number"])) if match else None
    if version is None:
        if wrapping.has_root(named):
            return named
        raise WrappingKeyError(
            f"{named!r} is unknown: neither a given root key, nor KEY_ID:VERSION of an existing version"
        )
    if wrapping.has_root(named):
        raise WrappingKeyError(f"{named!r} names both a version of a key and a root key: rename the root key")
    if version.key.key_type != KeyType.KEK:
        raise WrappingKeyError(f"{named!r} is a version of a {version.key.key_type} key: only a kek wraps others")
    return version


_TRIED = 5
"""Rows that are opened until one opens: a single one that was damaged says nothing about the root key."""


def require_same_root(session: Session, wrapping: KeyWrapping, reference: str) -> None:
    """Raise `RootKeyError` if versions under a reference do not open with the root key given for it.

    One version is opened, if there is one; others where it does not open. Raises `WrappingKeyError` where there is no
    root key of that reference.
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

    The old root key may be destroyed after a rewrap, so what is under neither of the two would be lost. The login of
    `session` needs kms_rotator. Raises `WrappingKeyError` as `require_same_root` does.
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
