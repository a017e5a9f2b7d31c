"""How a worker rotates keys."""

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import dataclass

Report = Callable[[str], None]
"""Receives a sentence about each rotation, without secrets."""


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
