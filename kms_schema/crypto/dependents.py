"""What is wrapped by a wrapper: key versions, and the credentials of HSMs. How each is found, locked and moved.

**Locks.** A batch never waits while it holds something that others may want: it shares the target's row first, with
nothing else held, and then takes only what nobody has (SKIP LOCKED): the keys, to which the entries of the trail will
refer, and the rows. What was passed over comes up again in the next pass. So counting use, wrapping, rotating and other
rewraps wait for a batch, or a batch leaves them alone; none of them meets it in a circle.
"""

import uuid
from collections.abc import Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session, contains_eager, load_only

from kms_schema.crypto.errors import CryptoError, OpeningRefusedError, WrapperError
from kms_schema.crypto.key_wrapping import KeyWrapping, Wrapper
from kms_schema.crypto.wrappers import Move, check_in_use, name_of
from kms_schema.models import HsmConfiguration, KeyMaster, KeyVersion


class Dependents(Protocol):
    """One table's rows under a wrapper."""

    @property
    def model(self) -> type[KeyVersion] | type[HsmConfiguration]:
        """The table's model."""

    def count(self, session: Session) -> int:
        """Return how many name the source."""

    def listed(self, session: Session, after: uuid.UUID | None, limit: int) -> Sequence[uuid.UUID]:
        """Return the ids of those that name the source, or may be under it, in their order."""

    def read(self, session: Session, ids: Sequence[uuid.UUID], *, lock: bool) -> Sequence[Any]:
        """Return those that are still under the source and, with `lock`, that nobody else has locked."""

    def open(self, row: Any) -> None:
        """Raise `CryptoError` where it does not open under the source."""

    def change(self, row: Any) -> dict[str, Any]:
        """Return the columns that move it. Raises `CryptoError` where it does not open or may not move."""

    def verify(self, session: Session, ids: Sequence[uuid.UUID]) -> None:
        """Raise `CryptoError` unless what the database has now opens under the target, to the key that it was."""

    def name(self, row: Any) -> str:
        """Return what a person calls the row."""

    def unsaid(self, row: Any) -> bool:
        """Whether the row does not say what it is under."""


class Versions:
    """The key versions under a wrapper. Destroyed ones have nothing to move."""

    model = KeyVersion

    def __init__(self, wrapping: KeyWrapping, move: Move) -> None:
        """Move from one wrapper to the other."""
        self._wrapping = wrapping
        self._move = move
        column = KeyVersion.wrapping_key_ref if isinstance(move.source, str) else KeyVersion.wrapped_by_version_id
        value = move.source if isinstance(move.source, str) else move.source.id
        self._under = sa.and_(column == value, KeyVersion.destroyed_at.is_(None))

    def count(self, session: Session) -> int:
        """Return how many there are."""
        return session.scalar(sa.select(sa.func.count()).select_from(KeyVersion).where(self._under)) or 0

    def listed(self, session: Session, after: uuid.UUID | None, limit: int) -> Sequence[uuid.UUID]:
        """Return ids; those that are made later come later."""
        query = sa.select(KeyVersion.id).where(self._under).order_by(KeyVersion.id).limit(limit)
        return session.scalars(query if after is None else query.where(KeyVersion.id > after)).all()

    def read(self, session: Session, ids: Sequence[uuid.UUID], *, lock: bool) -> Sequence[KeyVersion]:
        """Return versions with their keys. To lock, a reader needs UPDATE on some column of both tables."""
        query = (
            sa.select(KeyVersion)
            .join(KeyVersion.key)
            .where(KeyVersion.id.in_(ids), self._under)
            .options(contains_eager(KeyVersion.key))
            .order_by(KeyVersion.id)
            .execution_options(populate_existing=True)
        )
        if lock:
            of_ids = sa.select(KeyVersion.key_id).where(KeyVersion.id.in_(ids))
            keys = sa.select(KeyMaster.id).where(KeyMaster.id.in_(of_ids)).order_by(KeyMaster.id)
            keys = keys.with_for_update(read=True, key_share=True, skip_locked=True)
            query = query.where(KeyVersion.key_id.in_(session.scalars(keys).all()))
            query = query.with_for_update(key_share=True, skip_locked=True, of=KeyVersion)
        return session.scalars(query).all()

    def open(self, row: KeyVersion) -> None:
        """Open it, and compare the check value."""
        self._wrapping.unwrap(row).wipe()

    def change(self, row: KeyVersion) -> dict[str, Any]:
        """Return envelope and wrapper."""
        target = self._move.target
        envelope = self._wrapping.rewrapped(row, under=target)
        return {
            "id": row.id,
            "encrypted_key_data": envelope,
            "wrapping_key_ref": target if isinstance(target, str) else None,
            "wrapped_by_version_id": None if isinstance(target, str) else target.id,
        }

    def verify(self, session: Session, ids: Sequence[uuid.UUID]) -> None:
        """Open each as it was written, and compare the check value."""
        query = sa.select(KeyVersion).join(KeyVersion.key).where(KeyVersion.id.in_(ids))
        query = query.options(contains_eager(KeyVersion.key)).execution_options(populate_existing=True)
        found = session.scalars(query).all()
        for version in found:
            if (version.wrapping_key_ref or version.wrapped_by) != self._move.target:
                raise CryptoError(f"{self.name(version)} is not under its new wrapper")
            self.open(version)
        if len(found) != len(ids):
            raise CryptoError(f"{len(ids) - len(found)} versions are gone")

    def name(self, row: KeyVersion) -> str:
        """Return key and number."""
        return f"version {row.version_number} of key {row.key.key_id!r}"

    def unsaid(self, row: KeyVersion) -> bool:
        """Return False: a constraint has it say so."""
        del row
        return False


class Configurations:
    """The HSMs whose credentials are under a provider's key, or may be."""

    model = HsmConfiguration

    def __init__(self, wrapping: KeyWrapping, source: str, target: Wrapper) -> None:
        """Move from a provider's key to another's."""
        self._wrapping = wrapping
        self._source = source
        self._target = target
        self._named = HsmConfiguration.wrapping_key_ref == source
        stored = HsmConfiguration.authentication_config.is_not(None)
        self._under = sa.and_(stored, sa.or_(self._named, HsmConfiguration.wrapping_key_ref.is_(None)))
        self._before: dict[uuid.UUID, HsmConfiguration] = {}

    def count(self, session: Session) -> int:
        """Return how many say that they are under it."""
        return session.scalar(sa.select(sa.func.count()).select_from(HsmConfiguration).where(self._named)) or 0

    def listed(self, session: Session, after: uuid.UUID | None, limit: int) -> Sequence[uuid.UUID]:
        """Return ids, of those that do not say so as well."""
        query = sa.select(HsmConfiguration.id).where(self._under).order_by(HsmConfiguration.id).limit(limit)
        return session.scalars(query if after is None else query.where(HsmConfiguration.id > after)).all()

    def read(self, session: Session, ids: Sequence[uuid.UUID], *, lock: bool) -> Sequence[HsmConfiguration]:
        """Return the configurations, of each only what a rewrap needs."""
        query = self._select(ids).where(self._under)
        if lock:
            query = query.with_for_update(key_share=True, skip_locked=True)
        return session.scalars(query).all()

    def open(self, row: HsmConfiguration) -> None:
        """Open it."""
        self._wrapping.open_credentials(row, self._source).wipe()

    def change(self, row: HsmConfiguration) -> dict[str, Any]:
        """Return envelope and wrapper, tried before it is written: credentials have no check value."""
        if not isinstance(self._target, str):
            self.open(row)
            raise WrapperError("credentials go under a root key, not under a key that is kept here")
        with self._wrapping.open_credentials(row, self._source) as secret:
            envelope = self._wrapping.rewrapped_credentials(row, self._source, under=self._target)
            moved = HsmConfiguration(id=row.id, authentication_config=envelope)
            with self._wrapping.open_credentials(moved, self._target) as again:
                if again != secret:
                    raise OpeningRefusedError("what was rewrapped opens to something else")
        return {"id": row.id, "authentication_config": envelope, "wrapping_key_ref": self._target}

    def verify(self, session: Session, ids: Sequence[uuid.UUID]) -> None:
        """Open each as it was written."""
        for configuration in session.scalars(self._select(ids)):
            if configuration.wrapping_key_ref != self._target:
                raise CryptoError(f"{self.name(configuration)} are not under their new wrapping key")
            self._wrapping.open_credentials(configuration, configuration.wrapping_key_ref).wipe()

    def name(self, row: HsmConfiguration) -> str:
        """Return whose they are."""
        return f"the credentials of {row.configuration_name!r}"

    def unsaid(self, row: HsmConfiguration) -> bool:
        """Whether they are from before the column was there, or of a program that leaves it out."""
        return row.wrapping_key_ref is None

    @staticmethod
    def _select(ids: Sequence[uuid.UUID]) -> sa.Select[Any]:
        columns = load_only(
            HsmConfiguration.configuration_name,
            HsmConfiguration.authentication_config,
            HsmConfiguration.wrapping_key_ref,
        )
        query = sa.select(HsmConfiguration).where(HsmConfiguration.id.in_(ids)).options(columns)
        return query.order_by(HsmConfiguration.id).execution_options(populate_existing=True)


def share_target(session: Session, target: Wrapper) -> None:
    """Keep the target in use until the transaction ends; raise `WrapperError` where it is not any more."""
    if isinstance(target, str):
        return
    query = (
        sa.select(KeyVersion)
        .join(KeyVersion.key)
        .where(KeyVersion.id == target.id)
        .options(contains_eager(KeyVersion.key))
        .execution_options(populate_existing=True)
        .with_for_update(read=True, of=KeyVersion)
    )
    if session.scalars(query).one_or_none() is None:
        raise WrapperError(f"{name_of(target)!r} is gone")
    check_in_use(target)


def dependents_of(wrapping: KeyWrapping, move: Move) -> list[Dependents]:
    """Return all kinds of rows that can be under the source."""
    kinds: list[Dependents] = [Versions(wrapping, move)]
    if isinstance(move.source, str):
        kinds.append(Configurations(wrapping, move.source, move.target))
    return kinds
