"""Dependents of a wrapper, key versions and credentials of HSMs: how they are found, locked and rewrapped.

**Locks.** A batch never waits while it holds a lock that others may need. It locks the target's row for share first,
while it holds no other lock. Then it locks rows that no other session has locked (SKIP LOCKED): the keys, which the new
entries of the audit log reference, and the rows. The next pass returns to the rows that were skipped. Usage counts,
wrapping, rotations and other rewraps wait for a batch, or the batch skips their rows, so there is no deadlock.
"""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Session, contains_eager, load_only

from kms_schema.crypto.errors import CryptoError, OpeningRefusedError, WrappingKeyError
from kms_schema.crypto.key_wrapping import KeyWrapping, Wrapper
from kms_schema.crypto.wrappers import Move, check_in_use, name_of
from kms_schema.models import HsmConfiguration, KeyMaster, KeyVersion

LISTED = 20_000
"""Ids that are read ahead, so that a batch does not search all remaining rows."""


class Dependents(ABC):
    """The dependents of a wrapper in one table."""

    model: ClassVar[type[KeyVersion] | type[HsmConfiguration]]
    _named: sa.ColumnElement[bool]
    """The condition of rows that name the source."""
    _under: sa.ColumnElement[bool]
    """The condition of rows that name the source, or may be under it."""

    def count(self, session: Session) -> int:
        """Return how many rows name the source."""
        return session.scalar(sa.select(sa.func.count()).select_from(self.model).where(self._named)) or 0

    def listed(self, session: Session, after: uuid.UUID | None, limit: int) -> Sequence[uuid.UUID]:
        """Return ids of the rows that name the source, or may be under it, in order: at most `limit`, above `after`."""
        query = sa.select(self.model.id).where(self._under).order_by(self.model.id).limit(limit)
        return session.scalars(query if after is None else query.where(self.model.id > after)).all()

    @abstractmethod
    def read(self, session: Session, ids: Sequence[uuid.UUID], *, lock: bool) -> Sequence[Any]:
        """Return the rows with these ids that are still under the source and, with `lock`, not locked by others."""

    @abstractmethod
    def open(self, row: Any) -> None:
        """Raise `CryptoError` if the row does not open under the source."""

    @abstractmethod
    def change(self, row: Any) -> dict[str, Any]:
        """Return the new values of its columns. Raises `CryptoError` if it does not open, or may not be rewrapped."""

    @abstractmethod
    def verify(self, session: Session, ids: Sequence[uuid.UUID]) -> None:
        """Raise `CryptoError` unless the written rows open under the target, with the same contents."""

    @abstractmethod
    def name(self, row: Any) -> str:
        """Return the name of the row, for messages."""

    def unsaid(self, row: Any) -> bool:
        """Return whether the row names no wrapper. A constraint requires one of versions."""
        del row
        return False


class Versions(Dependents):
    """The key versions under a wrapper. Destroyed versions have no material."""

    model: ClassVar[type[KeyVersion] | type[HsmConfiguration]] = KeyVersion

    def __init__(self, wrapping: KeyWrapping, move: Move) -> None:
        """Rewrap from one wrapper to the other."""
        self._wrapping = wrapping
        self._move = move
        column = KeyVersion.wrapping_key_ref if isinstance(move.source, str) else KeyVersion.wrapped_by_version_id
        value = move.source if isinstance(move.source, str) else move.source.id
        self._named = self._under = sa.and_(column == value, KeyVersion.destroyed_at.is_(None))

    def read(self, session: Session, ids: Sequence[uuid.UUID], *, lock: bool) -> Sequence[KeyVersion]:
        """Return versions with their keys. To lock them, a role needs UPDATE on a column of both tables."""
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
        """Open the version, and compare its check value."""
        self._wrapping.unwrap(row).wipe()

    def change(self, row: KeyVersion) -> dict[str, Any]:
        """Return the new envelope and wrapper."""
        target = self._move.target
        envelope = self._wrapping.rewrapped(row, under=target)
        return {
            "id": row.id,
            "encrypted_key_data": envelope,
            "wrapping_key_ref": target if isinstance(target, str) else None,
            "wrapped_by_version_id": None if isinstance(target, str) else target.id,
        }

    def verify(self, session: Session, ids: Sequence[uuid.UUID]) -> None:
        """Read each version again, open it, and compare its check value."""
        query = sa.select(KeyVersion).join(KeyVersion.key).where(KeyVersion.id.in_(ids))
        query = query.options(contains_eager(KeyVersion.key)).execution_options(populate_existing=True)
        found = session.scalars(query).all()
        for version in found:
            if (version.wrapping_key_ref or version.wrapped_by) != self._move.target:
                raise CryptoError(f"{self.name(version)} is not under its new wrapper")
            self.open(version)
        if len(found) != len(ids):
            raise CryptoError(f"missing versions: {len(ids) - len(found)}")

    def name(self, row: KeyVersion) -> str:
        """Return key and number."""
        return f"version {row.version_number} of key {row.key.key_id!r}"


class Configurations(Dependents):
    """The HSM configurations whose credentials are under a root key, or may be."""

    model: ClassVar[type[KeyVersion] | type[HsmConfiguration]] = HsmConfiguration

    def __init__(self, wrapping: KeyWrapping, source: str, target: Wrapper) -> None:
        """Rewrap from a root key to another wrapper."""
        self._wrapping = wrapping
        self._source = source
        self._target = target
        self._named = HsmConfiguration.wrapping_key_ref == source
        stored = HsmConfiguration.authentication_config.is_not(None)
        self._under = sa.and_(stored, sa.or_(self._named, HsmConfiguration.wrapping_key_ref.is_(None)))
        self._before: dict[uuid.UUID, HsmConfiguration] = {}

    def read(self, session: Session, ids: Sequence[uuid.UUID], *, lock: bool) -> Sequence[HsmConfiguration]:
        """Return the configurations, with the columns that a rewrap needs."""
        query = self._select(ids).where(self._under)
        if lock:
            query = query.with_for_update(key_share=True, skip_locked=True)
        return session.scalars(query).all()

    def open(self, row: HsmConfiguration) -> None:
        """Open the credentials."""
        self._wrapping.open_credentials(row, self._source).wipe()

    def change(self, row: HsmConfiguration) -> dict[str, Any]:
        """Return the new envelope and wrapper, after opening the envelope: credentials have no check value."""
        if not isinstance(self._target, str):
            self.open(row)
            raise WrappingKeyError("credentials are wrapped by a root key, not by a key in the database")
        with self._wrapping.open_credentials(row, self._source) as secret:
            envelope = self._wrapping.rewrapped_credentials(row, self._source, under=self._target)
            moved = HsmConfiguration(id=row.id, authentication_config=envelope)
            with self._wrapping.open_credentials(moved, self._target) as again:
                if again != secret:
                    raise OpeningRefusedError("the new envelope opens to other contents")
        return {"id": row.id, "authentication_config": envelope, "wrapping_key_ref": self._target}

    def verify(self, session: Session, ids: Sequence[uuid.UUID]) -> None:
        """Read each configuration again, and open it."""
        for configuration in session.scalars(self._select(ids)):
            if configuration.wrapping_key_ref != self._target:
                raise CryptoError(f"{self.name(configuration)} are not under their new wrapping key")
            self._wrapping.open_credentials(configuration, configuration.wrapping_key_ref).wipe()

    def name(self, row: HsmConfiguration) -> str:
        """Return the name of the configuration."""
        return f"the credentials of {row.configuration_name!r}"

    def unsaid(self, row: HsmConfiguration) -> bool:
        """Return whether the row is from before the column existed, or from a program that leaves it NULL."""
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


def pages(session: Session, kind: Dependents) -> Iterator[Sequence[uuid.UUID]]:
    """Yield the ids of all rows of a kind, `LISTED` at a time."""
    after = None
    while ids := kind.listed(session, after, LISTED):
        yield ids
        after = ids[-1]


def share_target(session: Session, target: Wrapper) -> None:
    """Keep the target in use until the transaction ends; raise `WrappingKeyError` if it is not in use any more."""
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
        raise WrappingKeyError(f"{name_of(target)!r} does not exist any more")
    check_in_use(target)


def dependents_of(wrapping: KeyWrapping, move: Move) -> list[Dependents]:
    """Return every kind of row that can be under the source."""
    kinds: list[Dependents] = [Versions(wrapping, move)]
    if isinstance(move.source, str):
        kinds.append(Configurations(wrapping, move.source, move.target))
    return kinds
