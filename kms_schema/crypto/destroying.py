"""Destroying a key version: its material goes for good, the row stays and says when (crypto-shredding)."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from kms_schema.crypto.errors import DependentsError
from kms_schema.crypto.wrappers import find_version
from kms_schema.models import KeyVersion, acting_for, current_time

_NAMED = 10
"""How many of those that a version still wraps are named."""


@dataclass(frozen=True)
class Destroyable:
    """A version that may be destroyed: nothing is wrapped by it, and nobody encrypts with it."""

    key_id: str
    version_number: int
    held_in_hsm: bool
    """Whether there is no material here: the HSM's key is destroyed in the HSM."""


def destroyable(session: Session, key_id: str, version_number: int) -> Destroyable:
    """Return what would be destroyed.

    Raises `DependentsError` where there is no such version, where it is destroyed already or live, and where it still
    wraps others: how many, and the first of them by name.
    """
    version = find_version(session, key_id, version_number)
    named = f"version {version_number} of key {key_id!r}"
    if version is None:
        raise DependentsError(f"there is no {named}")
    if version.destroyed_at is not None:
        raise DependentsError(f"{named} is destroyed already, since {version.destroyed_at:%Y-%m-%d %H:%M:%S} UTC")
    if version.is_live:
        raise DependentsError(f"{named} is live: the key encrypts with it; rotate the key, or revoke it, first")
    count = session.scalar(sa.select(sa.func.count()).select_from(KeyVersion).where(_under(version))) or 0
    if count:
        wrapped = _listed(count, _first(session, version))
        raise DependentsError(f"{named} still wraps {wrapped}: rewrap or destroy these first")
    return Destroyable(key_id, version_number, version.key.hsm_key_id is not None)


def destroy(engine: sa.Engine, key_id: str, version_number: int, *, actor: str | None = None) -> Destroyable:
    """Destroy a version in one transaction, and return what it was. Raises as `destroyable` does.

    What is wrapped by it meanwhile is seen by the database's own rule, which needs READ COMMITTED for that. The entry
    in the trail is the database's, for `actor`.
    """
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="READ COMMITTED")
    with Session(engine) as session:
        found = destroyable(session, key_id, version_number)
        version = find_version(session, key_id, version_number)
        assert version is not None  # noqa: S101
        values = {"destroyed_at": current_time(), "encrypted_key_data": None}
        statement = sa.update(KeyVersion).where(KeyVersion.id == version.id, KeyVersion.destroyed_at.is_(None))
        try:
            if actor is None:
                session.execute(statement.values(values))
            else:
                with acting_for(session.connection(), actor):
                    session.execute(statement.values(values))
            session.commit()
        except sa.exc.IntegrityError as error:  # somebody wrapped by it, or made it live, since the look
            raise DependentsError(str(error.orig).splitlines()[0]) from None
    return found


def _under(version: KeyVersion) -> sa.ColumnElement[bool]:
    return sa.and_(KeyVersion.wrapped_by_version_id == version.id, KeyVersion.destroyed_at.is_(None))


def _first(session: Session, version: KeyVersion) -> Sequence[KeyVersion]:
    query = sa.select(KeyVersion).where(_under(version)).options(joinedload(KeyVersion.key))
    return session.scalars(query.order_by(KeyVersion.id).limit(_NAMED)).all()


def _listed(count: int, first: Sequence[KeyVersion]) -> str:
    names = ", ".join(f"{each.key.key_id}:{each.version_number}" for each in first)
    return f"{count} {'version' if count == 1 else 'versions'} ({names}{', …' if count > len(first) else ''})"
