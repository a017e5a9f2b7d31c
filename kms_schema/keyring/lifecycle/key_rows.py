"""Reads the rows of keys that a transaction is about to change, and of those that wrap them."""

import datetime as dt
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.attributes import set_committed_value

from kms_schema.crypto import Wrapper
from kms_schema.keyring.errors import UnknownKeyError, UnsupportedKeyError, WrapperUnavailableError
from kms_schema.models import KeyMaster, KeyVersion, current_time
from kms_schema.vocabulary import KeyStatus, KeyType


def find_key(session: Session, key_id: str) -> KeyMaster | None:
    """Return the key with a name; None if this role sees none."""
    return session.scalars(sa.select(KeyMaster).where(KeyMaster.key_id == key_id)).one_or_none()


# Building a statement takes longer than running it, and a loader option builds one for each key.
_LOCKED = (
    sa.select(KeyMaster)
    .where(KeyMaster.key_id == sa.bindparam("name"))
    # FOR NO KEY UPDATE: entries of the audit log refer to the row and lock it against deletion.
    .with_for_update(key_share=True)
)
_VERSIONS = (
    sa.select(KeyVersion)
    .where(KeyVersion.key_id == sa.bindparam("key"))
    .order_by(KeyVersion.version_number)
    .options(joinedload(KeyVersion.wrapped_by).joinedload(KeyVersion.key))
)
"""Read by a statement of its own: one that waited for the lock would show the versions of before."""


def locked_key(session: Session, key_id: str) -> KeyMaster:
    """Return a key, with its versions, whose row no other transaction changes until the end of this one."""
    key = session.scalars(_LOCKED, {"name": key_id}).one_or_none()
    if key is None:
        raise UnknownKeyError(f"there is no key named {key_id!r}", key_id=key_id)
    set_committed_value(key, "versions", session.scalars(_VERSIONS, {"key": key.id}).all())
    return key


def live_version(key: KeyMaster) -> KeyVersion | None:
    """Return the live version of a key; None without one."""
    return next((version for version in key.versions if version.is_live), None)


def _ended(later: Callable[..., sa.ColumnElement[dt.datetime]]) -> sa.Update:
    ended = later(current_time(), KeyVersion.activated_at)
    return sa.update(KeyVersion).where(KeyVersion.id == sa.bindparam("version")).values(deactivated_at=ended)


_ENDED = {"postgresql": _ended(sa.func.greatest), "sqlite": _ended(sa.func.max)}


def end_version(session: Session, version: KeyVersion) -> None:
    """Deactivate a version now."""
    # A statement of a session, instead of its connection, takes twice the time.
    connection = session.connection()
    connection.execute(_ENDED[connection.dialect.name], {"version": version.id})
    session.expire(version, ["deactivated_at"])


def wrapper_named(session: Session, under: str, key_id: str) -> Wrapper:
    """Return the reference of a root, which contains `://`, or the live version of the KEK with this name."""
    if "://" in under:
        return under
    kek = find_key(session, under)
    if kek is None:
        raise UnknownKeyError(f"there is no key named {under!r} to wrap key {key_id!r}", key_id=under)
    return wrapping_version(kek, key_id)


def wrapping_version(kek: KeyMaster, key_id: str, last: KeyVersion | None = None) -> KeyVersion:
    """Return the live version of a KEK: `last`, or one that is read. Raises `WrapperUnavailableError` without one."""
    live = last if last is not None and last.is_live else live_version(kek)
    under = kek.key_id
    if kek.key_type != KeyType.KEK or kek.status != KeyStatus.ACTIVE or live is None:
        raise WrapperUnavailableError(
            f"key {under!r} cannot wrap key {key_id!r}: it is {kek.status} and a {kek.key_type} key;"
            " a wrapper is an active kek with a live version",
            key_id=under,
        )
    return live


_STILL_LIVE = sa.select(KeyVersion.id).where(KeyVersion.id == sa.bindparam("version"), KeyVersion.is_live)


def require_live(session: Session, wrapper: Wrapper | None, key_id: str) -> None:
    """Raise the error `ended` if `wrapper` has ended since it was read, and has wrapped a new version.

    Called after the first version of a key is inserted: its trigger has locked the wrapper, which cannot end any more
    before this transaction does. So a rotation of the wrapper that begins later finds the new version under it. Of a
    key that rotates, the old version is locked, and the rotation of the wrapper waits for this lock. SQLite has one
    writer at a time.
    """
    connection = session.connection()
    if not isinstance(wrapper, KeyVersion) or connection.dialect.name != "postgresql":
        return
    if connection.execute(_STILL_LIVE, {"version": wrapper.id}).first() is None:
        raise WrapperUnavailableError(
            f"the wrapper of key {key_id!r} has been rotated meanwhile: try again", key_id=key_id, reason="ended"
        )


def wrapper_of(old: KeyVersion) -> Wrapper:
    """Return the wrapper of the next version, by the wrapper of the old version and not by the parent of the key."""
    key_id = old.key.key_id
    if old.wrapped_by is not None:
        return wrapping_version(old.wrapped_by.key, key_id, old.wrapped_by)
    if old.wrapping_key_ref is None:
        raise UnsupportedKeyError(f"no key wraps version {old.version_number} of key {key_id!r}", key_id=key_id)
    return old.wrapping_key_ref
