"""One alert, and the words that the texts of several have."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How soon somebody must act."""

    CRITICAL = "critical"
    """Now: keys, evidence or applications are at risk."""
    WARNING = "warning"
    """On the next working day."""
    INFO = "info"
    """Plan it."""


@dataclass(frozen=True)
class Alert:
    """An alerting rule of Prometheus."""

    name: str
    """The `alertname`, and the heading of its section on the page "alerts" of the documentation."""
    severity: Severity
    expr: str
    """The condition in PromQL, over the last known values."""
    summary: str
    """One sentence, with the labels and the value of the alert."""
    hold: int = 0
    """The seconds that the condition holds before the alert fires.

    0 or more than ten minutes: Prometheus restores a longer one after a restart, and begins a shorter one again.
    """
    soon: bool = True
    """Evaluated every minute, not every five."""


KEY = "{{ with $labels.key_name }}Key {{ . }}{{ else }}A {{ $labels.key_type }} key{{ end }}"
"""The beginning of a sentence about one key; names may be left out by the exporter."""
AGE = "{{ $value | humanizeDuration }}"
COUNT = "{{ $value }}"
