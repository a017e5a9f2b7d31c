"""Processes that export metrics, and what they serve."""

import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from support.engines.programs import REPOSITORY
from support.programs import python

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True)
class Exporter:
    """A process that serves metrics."""

    process: "subprocess.Popen[str]"
    address: str

    def scrape(self, context: ssl.SSLContext | None = None) -> Values:
        """Return each value by name and labels."""
        with urllib.request.urlopen(self.address, timeout=20, context=context) as answer:  # noqa: S310  (our process)
            return parsed(answer.read().decode())

    def ended(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal, and return the exit status and what was written to standard error."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=20)
        return self.process.returncode, err


def parsed(text: str) -> Values:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(values: Values, name: str, **labels: str) -> float | None:
    return values.get((name, frozenset(labels.items())))


def command(url: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start `kms-schema metrics` on a database."""
    return python.Popen(
        [sys.executable, "-m", "kms_schema", "metrics", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "KMS_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def exporter(url: str, *arguments: str) -> Iterator[Exporter]:
    """Serve the metrics of a database on a free port; the process is gone at the end."""
    process = command(url, "--listen", "127.0.0.1:0", *arguments)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"serving metrics at (https?://\S+)\n", line)
        assert found, line + process.communicate(timeout=10)[1]
        yield Exporter(process, found[1])
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
