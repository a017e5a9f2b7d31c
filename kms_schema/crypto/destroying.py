"""Destroys a key version (crypto-shredding): the material is erased, the row stays with the time of it."""

import shlex
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from kms_schema.crypto.errors import DependentsError
from kms_schema.crypto.wrappers import find_version
from kms_schema.database.messages import driver_message
from kms_schema.database.pinned_path import with_pinned_path
from kms_schema.engine import BEGIN_OPTION, at_read_committed, committed_durably
from kms_schema.models import KeyVersion, acting_for, current_time

Check: TypeAlias = Callable[[Session, KeyVersion], None]
"""Raises an exception if a version may not be destroyed."""
InHsm: TypeAlias = Callable[[Session, KeyVersion, str], None]
"""Destroys the object of a version that an HSM holds, by its handle."""
_NAMED = 10
"""How many dependents a message names."""


def unchecked(_session: Session, _version: KeyVersion) -> None:
    """Allow a version to be destroyed, as far as the caller is concerned."""


@dataclass(frozen=True)
class Destroyable:
    """A version that can be destroyed: it has no dependents, and is not live."""

    key_id: str
    version_number: int
    hsm_key_id: str | None = None
    """The handle of its object in an HSM, NAME/ID; None if the material is in the database."""

    @property
    def held_in_hsm(self) -> bool:
        """True if an HSM holds the material."""
        return self.hsm_key_id is not None


def destroyable(
    session: Session,
    key_id: str,
    version_number: int,
    *,
    check: Check = unchecked,
) -> Destroyable:
    """Return the version that `destroy` would destroy, and change nothing.

    session: reads the database. key_id: the name of a key, `key_masters.key_id`. version_number: of that key.
    check: called with the version, as by `destroy`.

    Raises `DependentsError` if there is no such version, if it is destroyed already or live, or if it still wraps other
    versions. The message states how many, and names the first of them. Example::

        with Session(engine) as session:
            print(destroyable(session, "orders-kek", 3).held_in_hsm)
    """
    version = _found(session, key_id, version_number)
    _refuse(session, version)
    check(session, version)
    return _described(version)


def _found(session: Session, key_id: str, version_number: int) -> KeyVersion:
    version = find_version(session, key_id, version_number)
    if version is None:
        raise DependentsError(
            f"there is no {_named(key_id, version_number)}; kms-schema keys show {shlex.quote(key_id)} lists the"
            " versions"
        )
    return version


def _refuse(session: Session, version: KeyVersion) -> None:
    """Raise `DependentsError` for a version that is destroyed already, is live, or still wraps others."""
    named = _named(version.key.key_id, version.version_number)
    if version.destroyed_at is not None:
        raise DependentsError(f"{named} is destroyed already, since {version.destroyed_at:%Y-%m-%d %H:%M:%S} UTC")
    if version.is_live:
        raise DependentsError(f"{named} is live: the key encrypts with it; rotate the key, or revoke it, first")
    count = session.scalar(sa.select(sa.func.count()).select_from(KeyVersion).where(_under(version))) or 0
    if count:
        wrapped = _listed(count, _first(session, version))
        raise DependentsError(f"{named} still wraps {wrapped}: rewrap or destroy them first")


def _named(key_id: str, version_number: int) -> str:
    return f"version {version_number} of key {key_id!r}"


def _described(version: KeyVersion) -> Destroyable:
    return Destroyable(version.key.key_id, version.version_number, version.hsm_key_id)


def destroy(  # noqa: PLR0913  (each is a choice of the caller)
    engine: sa.Engine,
    key_id: str,
    version_number: int,
    *,
    actor: str | None = None,
    check: Check = unchecked,
    in_hsm: InHsm | None = None,
) -> Destroyable:
    """Destroy a version in one transaction, and return which one it was.

    engine: of `kms_schema.create_engine`. key_id, version_number: as for `destroyable`.
    actor: the user in the entry that the database writes to the audit log; None for no user.
    check: called in the transaction before the version is destroyed; its exception ends that.
    in_hsm: called with the handle of a version that an HSM holds, to destroy its object. The database has accepted
    the change by then, and it is not committed yet; an exception ends that.

    Raises as `destroyable` does: `DependentsError` where other versions depend on it, and for a version that an HSM
    holds without `in_hsm`. The database refuses a version
    that gets dependents at the same time; its trigger needs READ COMMITTED for that. Destroyed material cannot be
    recovered. Example::

        destroy(create_engine(url), "orders-kek", 3, actor="alice")
    """
    # On SQLite no session writes after the check.
    own = committed_durably(with_pinned_path(at_read_committed(engine)))
    own = own.execution_options(**{BEGIN_OPTION: "BEGIN IMMEDIATE"})
    with Session(own) as session:
        version = _found(session, key_id, version_number)
        found = destroy_in(session, version, actor=actor, check=check, in_hsm=in_hsm)
        session.commit()
    return found


def destroy_in(
    session: Session,
    version: KeyVersion,
    *,
    actor: str | None = None,
    check: Check = unchecked,
    in_hsm: InHsm | None = None,
) -> Destroyable:
    """Destroy a version in the transaction of a session, as `destroy` does, and return which one it was.

    The caller commits. The session is in READ COMMITTED, or has the write lock of SQLite. The version is locked first,
    so that nothing is wrapped by it from then on; each condition is read after that. Where one refuses, the transaction
    can be used further.
    """
    locked = sa.select(KeyVersion).where(KeyVersion.id == version.id).with_for_update(key_share=True)
    session.execute(locked.execution_options(populate_existing=True)).one()
    _refuse(session, version)
    found, handle = _described(version), version.hsm_key_id
    if handle is not None and in_hsm is None:
        named = _named(found.key_id, found.version_number)
        raise DependentsError(f"{named} is held in an HSM: say how its object there is destroyed")
    check(session, version)
    values = {"destroyed_at": current_time(), "encrypted_key_data": None, "hsm_key_id": None}
    statement = sa.update(KeyVersion).where(KeyVersion.id == version.id, KeyVersion.destroyed_at.is_(None))
    acting = nullcontext() if actor is None else acting_for(session.connection(), actor)
    try:
        with session.begin_nested():
            with acting:
                session.execute(statement.values(values))
            if handle is not None and in_hsm is not None:
                in_hsm(session, version, handle)
    except sa.exc.IntegrityError as error:  # of a trigger: another program wraps by it without the lock
        raise DependentsError(driver_message(error)) from None
    return found


def _under(version: KeyVersion) -> sa.ColumnElement[bool]:
    return sa.and_(KeyVersion.wrapped_by_version_id == version.id, KeyVersion.destroyed_at.is_(None))


def _first(session: Session, version: KeyVersion) -> Sequence[KeyVersion]:
    query = sa.select(KeyVersion).where(_under(version)).options(joinedload(KeyVersion.key))
    return session.scalars(query.order_by(KeyVersion.id).limit(_NAMED)).all()


def _listed(count: int, first: Sequence[KeyVersion]) -> str:
    names = ", ".join(f"{each.key.key_id}:{each.version_number}" for each in first)
    return f"{count} {'version' if count == 1 else 'versions'} ({names}{', …' if count > len(first) else ''})"
