"""Finds the wrappers that a user names, and checks whether rewrapping between them is allowed."""

import re
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from kms_schema.crypto.errors import WrappingKeyError
from kms_schema.crypto.key_wrapping import KeyWrapping, Wrapper
from kms_schema.models import KeyMaster, KeyVersion
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

    session: reads the versions. wrapping: has the root keys. source, target: the names.

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
