"""The snapshots of the exporter: over a connection that is kept, and opened again when it is lost."""

import sqlite3
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from kms_schema.cli.connections import connected
from kms_schema.cli.metrics.anomaly_counts import AnomalyCounts
from kms_schema.monitoring.collecting import nothing_read, take_snapshot
from kms_schema.monitoring.names import Part
from kms_schema.monitoring.samples import Snapshot
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    import psycopg

_PARAMETERS = {"connect_timeout": "5", "tcp_user_timeout": "5000", "keepalives_idle": "10", "keepalives_interval": "2",
               "keepalives_count": "2"}  # fmt: skip
"""A scrape ends, too, if the machine of the server is gone and does not answer."""


class Snapshots:
    """Reads snapshots of one database, one at a time, and reports which parts fail."""

    def __init__(self, url: str, schema: str, *, names: bool, patience: float) -> None:
        """Take the URL, the schema on PostgreSQL, and whether single keys have series with their names.

        patience: the seconds to wait for the first count of anomalies.
        """
        self._url, self._schema, self._names = url, schema, names
        self._stack = ExitStack()
        self._connection: psycopg.Connection[Any] | sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._failures: dict[Part, str] = {}
        self._anomalies = AnomalyCounts(url, schema, _PARAMETERS, patience=patience)

    def read(self) -> Snapshot:
        """Return a snapshot; a connection that is lost since the last one is opened again at once."""
        with self._lock:
            kept = self._connection is not None
            snapshot = self._read()
            if kept and snapshot.at is None:
                snapshot = self._read()
            self._report(snapshot)
            return snapshot

    def close(self) -> None:
        """Close the connection."""
        self._connection = None
        stack, self._stack = self._stack, ExitStack()
        try:
            stack.close()
        except click.ClickException:
            return  # a SQLite file that was replaced meanwhile

    def _read(self) -> Snapshot:
        try:
            if self._connection is None:
                opened = connected(self._url, application="kms-schema metrics", parameters=_PARAMETERS)
                self._connection = self._stack.enter_context(opened)
        except click.ClickException as error:
            self.close()
            return nothing_read(error.format_message())
        counted = {Part.ANOMALIES: self._anomalies.latest()}
        snapshot = take_snapshot(self._connection, self._schema, names=self._names, reused=counted)
        if snapshot.at is None or isinstance(self._connection, sqlite3.Connection):  # the file may be replaced
            self.close()
        return snapshot

    def _report(self, snapshot: Snapshot) -> None:
        """Print what fails, and what works again, once."""
        failures = snapshot.failures()
        before, self._failures = self._failures, failures
        if snapshot.at is None:
            reasons = dict.fromkeys(failures.values())
            if failures != before:
                click.echo(in_a_line(f"no part can be read: {'; '.join(reasons)}"), err=True)
            return
        for part, reason in failures.items():
            if before.get(part) != reason:
                click.echo(in_a_line(f"the part {part} cannot be read: {reason}"), err=True)
        again = before.keys() - failures.keys()
        if len(again) == len(snapshot.parts):
            click.echo("all parts are read again", err=True)
        else:
            for part in sorted(again):
                click.echo(f"the part {part} is read again", err=True)
