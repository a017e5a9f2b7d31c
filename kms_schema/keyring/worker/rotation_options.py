"""How a worker rotates keys, and with what."""

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kms_schema.crypto import RootKeys
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.lifecycle.registry import Registry
from kms_schema.keyring.use.hsm_keys import HeldKeys

Report = Callable[[str], None]
"""Receives a sentence about each rotation, without secrets."""


@dataclass(frozen=True)
class RingParts:
    """The parts of a key ring that a worker uses."""

    storage: Storage
    registry: Registry
    roots: Sequence[RootKeys]
    held: HeldKeys
    max_age: float
    """Seconds for which rings rely on what they have read."""
    forget: Callable[[str], None]
    """Drops a key from the cache of the ring."""


@dataclass(frozen=True)
class RunOptions:
    """The parameters of `KeyRing.run_rotations`."""

    worker: str
    once: bool
    actor: str | None
    jobs: int
    interval: float
    lease: dt.timedelta
    at_any_time: bool
    destroy_after: dt.timedelta | None
    stop: threading.Event
    report: Report

    def __post_init__(self) -> None:
        """Raises `ValueError` for a number that is out of range. The queue checks the name and the lease."""
        if self.jobs < 1 or not self.interval > 0:
            raise ValueError("jobs is at least 1, and interval more than 0 seconds")
