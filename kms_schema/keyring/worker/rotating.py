"""Does a rotation that a worker has claimed.

A data key: version, completion and entries are one transaction. A KEK: the version is committed together with
`key_rotations.new_version`. A later claim finds that set, makes no other version, and goes on rewrapping what is
under the old ones. It is complete when nothing is left there, counted again once rings that had read
the old version as the live one have read the key again.
"""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from kms_schema.crypto import CryptoError, KeyWrapping, rewrap
from kms_schema.crypto.rewrapping import Outcome
from kms_schema.keyring.database.driver_errors import translated
from kms_schema.keyring.errors import KeyStateError, WrapperUnavailableError
from kms_schema.keyring.lifecycle.key_rows import live_version, locked_key
from kms_schema.keyring.parts import RingParts
from kms_schema.keyring.worker.rotation_queue import NEEDS, KeptLease, QueueSession, RingQueue, RunOptions
from kms_schema.models import KeyMaster, KeyRotation, KeyVersion, RotationPolicy, current_time
from kms_schema.rotations import Claim, RotationError
from kms_schema.text.printable import counted
from kms_schema.vocabulary import KeyType

COMMITTED_WITHIN = 1.0
"""Seconds after `max_age` for transactions that were about to commit."""
_PATIENCE = 30.0
_NAMED = 3
"""How many versions that are left a message names."""


@dataclass(frozen=True)
class Rotated:
    """The result of a claim."""

    version: int
    """The number of the new version."""
    rewrapped: int = 0
    """Versions that were rewrapped."""
    ready_in: float = 0.0
    """Seconds until the rotation can be completed; 0 if it is."""


class Rotator:
    """Does the rotations of one database for a worker."""

    def __init__(self, ring: RingParts, queue: RingQueue, options: RunOptions) -> None:
        """Use the parts of `ring`, and `queue` on its connections."""
        self._ring, self._queue, self._options = ring, queue, options

    def rotate(self, claim: Claim) -> Rotated:
        """Rotate the key of `claim`, or continue a rotation that was interrupted.

        Raises `LeaseLostError`, after which nothing of an unfinished transaction is left, and the error of the reason
        for which the rotation fails: `KeyRingError`, `CryptoError`.
        """
        number = claim.new_version
        if number is None:
            number, is_complete = self._new_version(claim)
            self._ring.forget(claim.key_id)
            if is_complete:
                return Rotated(number)
        return self._rewrapped(claim, number)

    def _new_version(self, claim: Claim) -> tuple[int, bool]:
        """Make the version; return its number, and whether the rotation is complete."""
        with self._queue.transaction(claim.key_id) as (session, queue):
            key = locked_key(session, claim.key_id)
            _check_policy(session, claim)
            live = live_version(key)
            if live is not None and live.version_number > (claim.old_version or live.version_number):
                number = live.version_number  # somebody has rotated the key since this was scheduled
            else:
                number = self._ring.registry.new_version(session, key).version_number
            if key.key_type != KeyType.KEK:
                queue.complete(claim, new_version=number)
                return number, True
            queue.record_version(claim, number)
            return number, False

    def _rewrapped(self, claim: Claim, number: int) -> Rotated:
        lease, rewrapped = KeptLease(self._queue, claim, self._options.lease), 0
        while True:
            for source, target in self._moves(claim.key_id):
                outcome = self._rewrap(claim.key_id, source, target, lease)
                rewrapped += outcome.versions
                if outcome.left or outcome.remaining:
                    raise WrapperUnavailableError(_left(source, outcome), key_id=claim.key_id, reason="dependents_left")
            lease.keep()
            with self._queue.transaction(claim.key_id) as work:
                ready_in = self._completed(work, claim, number, rewrapped)
            if ready_in is not None:
                return Rotated(number, rewrapped, ready_in)

    def _moves(self, key_id: str) -> list[tuple[str, str]]:
        """Return old versions that wrap others, each with the live one."""
        with self._queue.transaction(key_id) as (session, _):
            key = locked_key(session, key_id)
            live = live_version(key)
            if live is None:
                raise KeyStateError(
                    f"key {key_id!r} is {key.status} and has no live version: keys under its old versions stay there",
                    key_id=key_id,
                    reason="no_live_version",
                )
            old = session.scalars(_wrapping_versions(key.id).where(KeyVersion.id != live.id)).all()
            return [(f"{key_id}:{each}", f"{key_id}:{live.version_number}") for each in old]

    def _rewrap(self, key_id: str, source: str, target: str, lease: KeptLease) -> Outcome:
        patience = min(_PATIENCE, self._options.lease.total_seconds() / 4)
        with translated(key_id, NEEDS):
            return rewrap(
                self._ring.storage.writers, KeyWrapping(*self._ring.roots), source, target, actor=self._options.actor,
                progress=lease.keep, patience=patience,
            )  # fmt: skip

    def _completed(self, work: QueueSession, claim: Claim, number: int, rewrapped: int) -> float | None:
        """Complete the rotation and return 0, or the seconds that are left; None if there is more to rewrap."""
        session, queue = work
        key = locked_key(session, claim.key_id)
        ended, now = session.execute(
            sa.select(sa.func.max(KeyVersion.deactivated_at), current_time()).where(KeyVersion.key_id == key.id)
        ).one()
        rest = self._ring.policy.max_age + COMMITTED_WITHIN
        # A time in the future, which a client may have set, is no reason to wait longer.
        ready_in = 0.0 if ended is None else min(rest, rest - (now - ended).total_seconds())
        if ready_in > 0:
            # The lease ends when the count is due: the next claim counts.
            queue.renew(claim, dt.timedelta(seconds=ready_in))
            return ready_in
        live = live_version(key)
        if live is None or session.scalar(_wrapping_versions(key.id).where(KeyVersion.id != live.id).limit(1)):
            return None
        # A later claim does not know what the earlier one has rewrapped.
        whole = claim.new_version is None
        queue.complete(claim, new_version=number, affected_records=rewrapped if whole else None)
        return 0.0


def reason_of(error: Exception) -> str:
    """Return the reason of a failure, for `error_message`: of errors that may quote values, only the class."""
    from_us = isinstance(error, CryptoError) or type(error).__module__.startswith("kms_schema.")
    text = " ".join(str(error).split()) if from_us else ""
    return text or type(error).__name__


_DISABLED = (
    sa.select(RotationPolicy.policy_name)
    .join(KeyRotation, KeyRotation.policy_id == RotationPolicy.id)
    .where(KeyRotation.id == sa.bindparam("rotation"), RotationPolicy.is_active.is_(False))
)


def _check_policy(session: Session, claim: Claim) -> None:
    disabled = session.connection().scalar(_DISABLED, {"rotation": claim.id})
    if disabled is not None:
        raise RotationError(
            f"policy {disabled!r} is disabled: key {claim.key_id!r} is not rotated", reason="policy_disabled"
        )


def _wrapping_versions(key: uuid.UUID) -> sa.Select[Any]:
    """Return a query of the numbers of a key's versions that wrap others."""
    wrapped = aliased(KeyVersion)
    under = sa.exists().where(wrapped.wrapped_by_version_id == KeyVersion.id, wrapped.destroyed_at.is_(None))
    return (
        sa.select(KeyVersion.version_number)
        .join(KeyMaster, KeyMaster.id == KeyVersion.key_id)
        .where(KeyMaster.id == key, KeyVersion.destroyed_at.is_(None), under)
        .order_by(KeyVersion.version_number)
    )


def _left(source: str, outcome: Outcome) -> str:
    reasons = [f"{each.row}: {each.why}" for each in outcome.left.values()][:_NAMED]
    why = "; ".join(reasons) if reasons else "other sessions have locked them"
    return f"{source!r} still wraps {counted(outcome.remaining, 'version')}: {why}"
