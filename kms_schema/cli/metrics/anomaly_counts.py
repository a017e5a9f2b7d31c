"""The count of anomalies, beside the scrapes: it reads the entries of the day, and of many days if one is unusual."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress

import click

from kms_schema.cli.connections import connected
from kms_schema.monitoring.collecting import read_part
from kms_schema.monitoring.names import Part
from kms_schema.monitoring.samples import PartResult

EACH_SECONDS = 300.0
"""Anomalies are counted so often."""
RETRY_SECONDS = 60.0
"""A count that failed is tried again so often, and not in each scrape."""
OLD_SECONDS = 2 * EACH_SECONDS
"""An older count is no longer shown: a server that does not answer would else leave the last one for ever."""
STATEMENT_SECONDS = 60
"""A statement of the count that takes longer is cancelled (PostgreSQL)."""


class AnomalyCounts:
    """Counts in a thread and over a connection of its own, one count at a time."""

    def __init__(self, url: str, schema: str, parameters: Mapping[str, str], *, patience: float) -> None:
        """Take the URL, the schema on PostgreSQL, parameters of libpq, and the seconds to wait for the first count."""
        self._url, self._schema, self._parameters, self._patience = url, schema, parameters, patience
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._last: PartResult | None = None
        self._due = self._counted = 0.0

    def latest(self) -> PartResult:
        """Return the last count, and begin another if it is time for one."""
        with self._lock:
            if self._thread is None and time.monotonic() >= self._due:
                begun = threading.Thread(target=self._count, name="anomalies", daemon=True)
                with suppress(RuntimeError):  # without a thread now, the next scrape begins it
                    begun.start()
                    self._thread = begun
            thread = self._thread
        if thread is not None and not self._is_fresh():  # the first one, or the first after a long time without scrapes
            thread.join(self._patience)
        if self._last is None:
            return _failed("the first count of anomalies is not at its end yet")
        if not self._is_fresh():
            return _failed(f"the last count of anomalies is {time.monotonic() - self._counted:.0f} seconds old")
        return self._last

    def _is_fresh(self) -> bool:
        return self._last is not None and time.monotonic() - self._counted < OLD_SECONDS

    def _count(self) -> None:
        counted = _failed("the count of anomalies ended with an error")
        try:
            with connected(self._url, application="kms-schema metrics", parameters=self._parameters) as connection:
                counted = read_part(connection, self._schema, Part.ANOMALIES, STATEMENT_SECONDS)
        except click.ClickException as error:
            counted = _failed(error.format_message())
        finally:
            with self._lock:
                self._last, self._thread, self._counted = counted, None, time.monotonic()
                self._due = self._counted + (EACH_SECONDS if counted.error is None else RETRY_SECONDS)


def _failed(reason: str) -> PartResult:
    return PartResult(Part.ANOMALIES, 0, error=reason)
