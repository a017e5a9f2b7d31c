"""The wrapper that a person names, and whether what it wraps may move to another."""

import re
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from kms_schema.crypto.errors import WrapperError
from kms_schema.crypto.key_wrapping import KeyWrapping, Wrapper
from kms_schema.models import KeyMaster, KeyVersion
from kms_schema.vocabulary import KeyStatus, KeyType

_VERSION = re.compile(r"(?P<key_id>.+):(?P<number>[1-9][0-9]{0,8})", re.DOTALL)


class Move(NamedTuple):
    """From one wrapper to another."""

    source: Wrapper
    target: Wrapper


def find_version(session: Session, key_id: str, number: int) -> KeyVersion | None:
    """Return a version with its key, as the database has it now."""
    query = (
        sa.select(KeyVersion)
        .join(KeyVersion.key)
        .where(KeyMaster.key_id == key_id, KeyVersion.version_number == number)
        .options(joinedload(KeyVersion.key))
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).one_or_none()


def find_move(session: Session, wrapping: KeyWrapping, source: str, target: str) -> Move:
    """Return the wrappers that are named, as a reference or as KEY_ID:VERSION.

    Raises `WrapperError` where one is unknown or destroyed, where the target is not in use, and where the target is the
    source, or is itself wrapped by it: it would then be under itself.
    """
    move = Move(_find(session, wrapping, source), _find(session, wrapping, target))
    if move.source == move.target:
        raise WrapperError(f"everything is under {source!r} already: name another wrapper to move to")
    if isinstance(move.source, KeyVersion) and move.source.destroyed_at is not None:
        raise WrapperError(f"{source!r} is destroyed: nothing that it wrapped can be opened")
    check_in_use(move.target)
    if move.source in _above(move.target):
        raise WrapperError(
            f"{target!r} is itself wrapped by {source!r}, directly or not: give it another wrapper first"
        )
    return move


def _above(wrapper: Wrapper) -> list[Wrapper]:
    """Return what a wrapper is under, up to the root; a circle, which the database lets nobody make, once round."""
    found: list[Wrapper] = []
    while isinstance(wrapper, KeyVersion):
        above = wrapper.wrapped_by or wrapper.wrapping_key_ref
        if above is None or above in found:
            break
        found.append(above)
        wrapper = above
    return found


def check_in_use(target: Wrapper) -> None:
    """Raise `WrapperError` unless keys may be wrapped by this: the live version of an active key, or a provider's."""
    if isinstance(target, str):
        return
    if target.destroyed_at is not None:
        raise WrapperError(f"{name_of(target)!r} is destroyed")
    if not target.is_live or target.key.status != KeyStatus.ACTIVE:
        raise WrapperError(
            f"{name_of(target)!r} is not the live version of an active key: it wraps no more, or not yet"
        )


def name_of(wrapper: Wrapper) -> str:
    """Return what a person calls it."""
    return wrapper if isinstance(wrapper, str) else f"{wrapper.key.key_id}:{wrapper.version_number}"


def _find(session: Session, wrapping: KeyWrapping, named: str) -> Wrapper:
    match = _VERSION.fullmatch(named)
    version = find_version(session, match["key_id"], int(match["number"])) if match else None
    if version is None:
        if wrapping.formats(named):
            return named
        raise WrapperError(
            f"{named!r} is unknown: neither a root key that was given, nor KEY_ID:VERSION of a version that there is"
        )
    if wrapping.formats(named):
        raise WrapperError(f"{named!r} is a version of a key, and a root key is called the same: rename that")
    if version.key.key_type != KeyType.KEK:
        raise WrapperError(f"{named!r} is a version of a {version.key.key_type} key: only a kek wraps others")
    return version
