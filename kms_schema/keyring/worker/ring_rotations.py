"""The method of the key ring that rotates the keys that are due."""

import datetime as dt
import threading

from kms_schema.keyring.worker.rotation_options import Report, RingParts, RunOptions
from kms_schema.keyring.worker.rotation_runs import RotationRun, RotationWorker


class RingRotations:
    """A base of `KeyRing`."""

    __slots__ = ()

    def _for_rotations(self) -> RingParts:
        """Return the parts of the ring. Raises `RingClosedError`."""
        raise NotImplementedError

    def run_rotations(  # noqa: PLR0913  (each is an option of the command)
        self,
        *,
        worker: str,
        once: bool = True,
        actor: str | None = None,
        jobs: int = 1,
        interval: float = 60.0,
        lease: float = 600.0,
        at_any_time: bool = False,
        destroy_after: dt.timedelta | None = None,
        stop: threading.Event | None = None,
        report: Report | None = None,
    ) -> RotationRun:
        """Rotate the keys that are due: schedule, claim, rotate, complete; return the counts.

        - `worker`: the name of this worker, 1 to 83 characters. `actor`: the user in the entries of the audit log
        - `once`: return when nothing is left; else stay, and look again each `interval` seconds until `stop` is set
        - `jobs`: keys at once, in threads. `lease`: seconds after which another worker may take a rotation over
        - `at_any_time`: also outside the windows of policies
        - `destroy_after`: destroy versions that ended longer ago, at least 24 hours. They are of KEKs that wrap
          nothing, and of data keys whose stored columns hold no ciphertext of them, unless these have encrypted outside
          of columns
        - `stop`: when it is set, the keys at hand are finished, and no others are begun
        - `report`: called with a sentence about each rotation

        Versions that a KEK wraps are rewrapped under its new one. That rotation is complete when nothing is left under
        the old ones `max_age` after these ended: with `once`, this waits for it. A rotation that fails keeps its reason
        and is tried again as the queue says.

        Needs kms_rotator and the root keys. Raises `ValueError` for an invalid parameter, `DatabaseUnavailableError`
        with `once` or at the start, `KeyNotPermittedError`, and `TypeError` for a driver other than psycopg and
        sqlite3. Example::

            done = ring.run_rotations(worker="night-1")
            print(done.completed, done.failed)
        """
        ring = self._for_rotations()
        options = RunOptions(
            worker, once, actor, jobs, interval, dt.timedelta(seconds=lease), at_any_time, destroy_after,
            stop or threading.Event(), report or (lambda _sentence: None),
        )  # fmt: skip
        return RotationWorker(ring, options).run()
