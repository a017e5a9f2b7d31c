"""A worker that rotates the keys that are due: it schedules, claims, does and completes, until it is told to stop."""

import datetime as dt
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from kms_schema.keyring.errors import DatabaseUnavailableError, UnsupportedKeyError
from kms_schema.keyring.parts import RingParts
from kms_schema.keyring.worker.destroying import EndedVersions
from kms_schema.keyring.worker.rotating import Rotator, reason_of
from kms_schema.keyring.worker.rotation_queue import RingQueue, RunOptions
from kms_schema.rotations import Backoff, Claim, LeaseLostError, RotationError
from kms_schema.rotations.queue import DEFAULT_ROUND

_RARELY = Backoff(dt.timedelta(hours=6), dt.timedelta(hours=6))
"""The rest before another attempt that will most likely fail for the same reason."""


@dataclass
class RotationRun:
    """The counts of a run."""

    scheduled: int = 0
    """Keys that were due."""
    retried: int = 0
    """Failed rotations that were scheduled again."""
    completed: int = 0
    failed: int = 0
    lost: int = 0
    """Rotations whose lease ended before they were complete: another worker has them, or will."""
    rewrapped: int = 0
    """Versions that were moved under a new version of a KEK."""
    destroyed: int = 0
    """Versions of KEKs whose material was destroyed."""
    waiting: int = 0
    """Rotations of KEKs that a later run completes."""
    pending: list[str] = field(default_factory=list)
    """With `once`: what further rotations wait for, such as `1 waits for its window 22:00-04:00 UTC`."""
    errors: list[str] = field(default_factory=list)
    """Why a round could not be finished, such as an unknown time zone of a policy."""


class RotationWorker:
    """Rotates the keys of one database."""

    def __init__(self, ring: RingParts, options: RunOptions) -> None:
        """Use the parts of `ring`. Raises `ValueError` for an invalid option."""
        self._options = options
        self._queue = RingQueue(ring.storage, options.actor)
        self._rotator = Rotator(ring, self._queue, options)
        after = options.destroy_after
        self._ended = None if after is None else EndedVersions(self._queue, ring.held, after, ring.forget)
        self._lock = threading.Lock()
        self._run = RotationRun()
        self._has_begun = False
        """True once a round was possible: a wrong URL is an error at the start."""
        self._ready: dict[uuid.UUID, float] = {}
        """Rotations that wait for their second count, with the time of it by the monotonic clock."""

    def run(self) -> RotationRun:
        """Rotate until nothing is left, or until `stop` is set; return the counts."""
        options = self._options
        while True:
            self._round()
            rest = self._rest()
            if rest is None or options.stop.wait(rest):
                break
        self._run.waiting = len(self._ready)
        if options.once and not self._run.errors:
            self._run.pending = self._queue.pending(options)
        return self._run

    def _rest(self) -> float | None:
        """Return the seconds until the next round; None at the end."""
        until = [max(0.0, each - time.monotonic()) for each in self._ready.values()]
        if self._options.stop.is_set() or (self._options.once and not until):
            return None
        return min(until) if self._options.once else min([*until, self._options.interval])

    def _round(self) -> None:
        """Do everything that can be done now. Without `once`, a database that goes away later is tried again."""
        now = time.monotonic()
        self._ready = {each: at for each, at in self._ready.items() if at > now}
        try:
            scheduled, retried = self._queue.schedule(DEFAULT_ROUND)
            self._run.scheduled += scheduled
            self._run.retried += retried
            if self._options.jobs == 1:
                self._drain()
            else:
                with ThreadPoolExecutor(self._options.jobs) as pool:
                    for each in [pool.submit(self._drain) for _ in range(self._options.jobs)]:
                        each.result()
            if self._ended is not None:
                self._run.destroyed += self._ended.destroy(self._options.stop, self._options.report)
            self._has_begun = True
        except RotationError as error:  # such as a policy in an unknown time zone
            self._problem(str(error))
        except DatabaseUnavailableError as error:
            if self._options.once or not self._has_begun:
                raise
            self._problem(str(error))

    def _problem(self, message: str) -> None:
        if message not in self._run.errors:
            self._run.errors.append(message)
        self._options.report(message)

    def _drain(self) -> None:
        """Rotate one key after the other, until none is left to claim."""
        while not self._options.stop.is_set():
            claim = self._queue.claim(self._options)
            if claim is None:
                return
            self._rotate(claim)

    def _rotate(self, claim: Claim) -> None:
        try:
            done = self._rotator.rotate(claim)
        except LeaseLostError:
            self._lost(claim)
            return
        except Exception as error:  # noqa: BLE001  (a key that fails does not keep the others from being rotated)
            self._fail(claim, error)
            return
        with self._lock:
            self._run.rewrapped += done.rewrapped
            if done.ready_in:
                self._ready[claim.id] = time.monotonic() + done.ready_in
            else:
                self._ready.pop(claim.id, None)
                self._run.completed += 1
        if done.ready_in:
            then = f"what is under the old ones is counted again in {done.ready_in:.0f} seconds"
            self._options.report(f"key {claim.key_id!r}: version {done.version} is live; {then}")
        else:
            self._options.report(f"key {claim.key_id!r}: rotated to version {done.version} ({claim.trigger})")

    def _lost(self, claim: Claim) -> None:
        with self._lock:
            self._run.lost += 1
        self._options.report(f"key {claim.key_id!r}: the lease has ended; another worker completes the rotation")

    def _fail(self, claim: Claim, error: Exception) -> None:
        reason = reason_of(error)
        backoff = _RARELY if isinstance(error, UnsupportedKeyError) else None
        is_disabled = isinstance(error, RotationError) and error.reason == "policy_disabled"
        try:
            again = self._queue.fail(claim, reason, backoff, retry=not is_disabled)
        except LeaseLostError:
            self._lost(claim)
            return
        with self._lock:
            self._run.failed += 1
        when = "it is not tried again" if again is None else f"it is tried again at {again:%Y-%m-%d %H:%M:%S} UTC"
        self._options.report(f"key {claim.key_id!r}: {reason}; {when}")
