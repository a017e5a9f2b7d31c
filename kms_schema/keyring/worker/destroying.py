"""Destroys versions that ended long ago: of KEKs that wrap nothing, of data keys that no column needs any more.

A version is destroyed only if each transaction that was open when it ended has ended: it may have read the version as
the live one. Wrapping locks the wrapper FOR SHARE, so nothing is wrapped by a version between count and destruction.
"""

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from kms_schema.crypto import DependentsError
from kms_schema.crypto.destroying import destroy_in
from kms_schema.keyring.errors import ColumnError, KeyInUseError, MaterialUnavailableError
from kms_schema.keyring.lifecycle.version_destruction import LEAST, refuse_data_loss, transaction_open_since
from kms_schema.keyring.use.opener import HeldKeys
from kms_schema.keyring.use.states import ENCRYPTING
from kms_schema.keyring.worker.rotation_queue import RingQueue
from kms_schema.models import KeyMaster, KeyRotation, KeyVersion, current_time
from kms_schema.vocabulary import KeyType

_A_ROUND = 1000
_NAMED = 3


class EndedVersions:
    """The versions that may be destroyed."""

    def __init__(self, queue: RingQueue, held: HeldKeys, after: dt.timedelta, forget: Callable[[str], None]) -> None:
        """Destroy versions that ended longer ago than `after`, and their objects in HSMs. `forget` is told the key.

        Raises `ValueError` for less than 24 hours.
        """
        if after < LEAST:
            raise ValueError("a version is destroyed 24 hours after its end at the earliest: give a day or more")
        self._queue, self._held, self._after = queue, held, after
        self._forget = forget
        self._said = ""
        """The last sentence about keys whose versions are kept, which is not repeated each minute."""

    def destroy(self, stop: threading.Event, report: Callable[[str], None]) -> int:
        """Destroy them, one transaction each; return the number."""
        with self._queue.transaction() as (session, _):
            since = session.execute(sa.select(current_time())).scalar_one() - self._after
            kept = _kept(session, since)
        if kept and kept != self._said:
            self._said = kept
            report(kept)
        done = 0
        last = uuid.UUID(int=0)
        # In pages: what is refused again in each run must not keep the rest from being looked at.
        while found := self._found(since, last):
            with self._queue.transaction() as (session, _):
                blocking = transaction_open_since(session, since)
            if blocking is not None:
                report(f"versions that have ended are not destroyed: {blocking}")
                break
            for version, key_id, number in found:
                if stop.is_set():
                    return done
                if self._destroy(version, key_id, since, report):
                    done += 1
                    self._forget(key_id)
                    report(f"key {key_id!r}: version {number} is destroyed")
            last = found[-1].id
        return done

    def _found(self, since: dt.datetime, last: uuid.UUID) -> Sequence[Any]:
        with self._queue.transaction() as (session, _):
            found: Sequence[Any] = session.execute(_ended(since).where(KeyVersion.id > last).limit(_A_ROUND)).all()
            return found

    def _destroy(self, version: uuid.UUID, key_id: str, since: dt.datetime, report: Callable[[str], None]) -> bool:
        def check(session: Session, row: KeyVersion) -> None:
            if session.execute(_ended(since).where(KeyVersion.id == version)).one_or_none() is None:
                raise DependentsError("its key is rotated, or it is needed again")
            refuse_data_loss(session, row)

        with self._queue.transaction(key_id) as (session, _):
            row = session.get_one(KeyVersion, version)
            try:
                destroy_in(session, row, check=check, in_hsm=self._held.destroy)
            except DependentsError:  # since it was found
                return False
            except (ColumnError, KeyInUseError, MaterialUnavailableError) as error:
                report(f"it is not destroyed: {error}")
                return False
            return True


def _kept(session: Session, since: dt.datetime) -> str:
    """Return a sentence about the data keys that have encrypted outside of columns; empty without any."""
    query = sa.select(KeyMaster.key_id).distinct().join(KeyMaster.versions).order_by(KeyMaster.key_id)
    keys = session.scalars(
        query.where(
            KeyMaster.key_type.in_(ENCRYPTING),
            KeyMaster.encrypts_elsewhere,
            KeyVersion.deactivated_at <= since,
            ~KeyVersion.is_destroyed,
        ).limit(_NAMED + 1)
    ).all()
    named = ", ".join(map(repr, keys[:_NAMED])) + (" and others" if len(keys) > _NAMED else "")
    return named and (
        f"versions of keys that have encrypted outside of their stored columns are not destroyed: {named};"
        " kms-schema destroy-version --check destroys one"
    )


def _ended(since: dt.datetime) -> Any:  # a Select, whose type differs between SQLAlchemy 2.0 and 2.1
    """Return a query of the versions that ended before `since` and wrap nothing; not while their key is rotated."""
    wrapped = aliased(KeyVersion)
    wraps = sa.exists().where(wrapped.wrapped_by_version_id == KeyVersion.id, wrapped.destroyed_at.is_(None))
    holds_columns = sa.and_(
        KeyMaster.key_type.in_(ENCRYPTING), KeyMaster.encrypted_columns.is_not(None), ~KeyMaster.encrypts_elsewhere
    )
    open_rotation = sa.exists().where(KeyRotation.key_id == KeyVersion.key_id, KeyRotation.is_open)
    return (
        sa.select(KeyVersion.id, KeyMaster.key_id, KeyVersion.version_number)
        .join(KeyMaster, KeyMaster.id == KeyVersion.key_id)
        .where(
            # Of a data key without columns, or that encrypts outside of them, it is not known where its ciphertexts
            # are.
            sa.or_(KeyMaster.key_type == KeyType.KEK, holds_columns),
            KeyVersion.deactivated_at <= since,
            ~KeyVersion.is_destroyed,
            sa.or_(KeyVersion.encrypted_key_data.is_not(None), KeyVersion.hsm_key_id.is_not(None)),
            ~wraps,
            ~open_rotation,
        )
        .order_by(KeyVersion.id)
    )
