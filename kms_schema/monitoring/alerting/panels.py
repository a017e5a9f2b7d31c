"""The panels of the dashboard, as data: the metrics as they are now, so that a failed part shows as unknown."""

from dataclasses import dataclass
from enum import StrEnum

from kms_schema.monitoring.alerting.thresholds import DAY, Thresholds
from kms_schema.monitoring.names import COLLECTOR_SUCCESS, Part


class Kind(StrEnum):
    """The type of a panel of Grafana."""

    STAT = "stat"
    LINES = "timeseries"
    TABLE = "table"


@dataclass(frozen=True)
class Panel:
    """One panel. It is green below the first of `steps`, orange from there on, and red from the second.

    Equal steps have no orange.
    """

    title: str
    description: str
    expr: str
    """The query in PromQL; `$job` is the selected job."""
    kind: Kind = Kind.STAT
    unit: str = "short"
    steps: tuple[float, float] | None = None
    part: Part | None = None
    """The part that has no series if there is nothing to show: the panel says so, and `unknown` if the part failed."""
    legend: str = ""
    """The labels of a line; of a table the columns before the value, separated by commas."""


@dataclass(frozen=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


def _of(metric: str, *by: str, take: str = "max", where: str = "") -> str:
    """Return one value of all exporters of the selected jobs."""
    labels = f" by ({', '.join(by)})" if by else ""
    return f'{take}{labels} ({metric}{{job=~"$job"{where and ", " + where}}})'


def _sum(metric: str, by: str, per: str, where: str = "") -> str:
    """Return the sum over `per` of what each exporter reports."""
    return f"sum by ({by}) ({_of(metric, 'job', by, per, where=where)})" if by else (
        f"sum ({_of(metric, 'job', per, where=where)})")  # fmt: skip


def _age(metric: str, *by: str, take: str = "max") -> str:
    return f"time() - {_of(metric, *by, take=take)}"


NOTHING = -1
"""The value of a panel that has nothing to show."""


def query_of(panel: Panel) -> str:
    """Return the query of a panel: `NOTHING` without series, no value if its part failed.

    assert query_of(Panel("HSM health", "", "kms_hsm_active", part=Part.HSMS)).startswith("kms_hsm_active or")
    """
    if panel.part is None:
        return panel.expr
    read = f'{COLLECTOR_SUCCESS}{{job=~"$job", part="{panel.part}"}}'
    return f"{panel.expr} or on () ({NOTHING} * (max ({read}) == 1))"


def rows(limits: Thresholds) -> tuple[Row, ...]:
    """Return the rows of the dashboard."""
    return (
        Row("Attention", _attention(limits)),
        Row("Keys", _keys()),
        Row("Rotations", _rotations()),
        Row("Audit trail", _trail(limits)),
        Row("HSMs and database", _machines()),
    )


def _attention(limits: Thresholds) -> tuple[Panel, ...]:
    unsealed = "kms_audit_unsealed_oldest_timestamp_seconds"
    return (
        Panel("Failed parts", "Parts that an exporter cannot read. Their other panels are empty.",
              f"count ({_of('kms_collector_success', 'job', 'part', take='min')} == 0)"
              f" or on () 0 * {_of('kms_collector_success')}", steps=(1, 1)),
        Panel("Expired and active", "Active keys that have expired.",
              _sum("kms_keys_expired_active", "", "key_type"), steps=(1, 1)),
        Panel("Expire in 30 days", "Active keys that expire within 30 days.",
              _sum("kms_keys_expiring", "", "key_type"), steps=(1, 1_000_000)),
        Panel("Overdue for rotation", "Keys whose limit is passed and that are not scheduled.",
              _sum("kms_keys_rotation_overdue", "", "key_type, reason"), steps=(1, 10)),
        Panel("Oldest unsealed entry", "0 if every entry is sealed.",
              f"{_age(unsealed, take='min')} or on () {_of('kms_audit_unsealed_entries')} == 0",
              unit="s", steps=(limits.unsealed / 2, limits.unsealed)),
        Panel("High-risk entries, 24 hours", "Entries of level HIGH or CRITICAL, or with a risk score from 70 on.",
              _sum("kms_audit_high_risk_entries", "", "security_level", 'window="24h"'), steps=(1, 100)),
        Panel("Anomalies, 24 hours", "Found by the rules of audit anomalies.",
              _sum("kms_anomalies", "", "rule"), steps=(1, 10)),
        Panel("Validation errors", "Findings of the last recorded validation.",
              _of("kms_validation_findings", where='severity="error"'), steps=(1, 1),
              part=Part.RECORDS),
    )  # fmt: skip


def _keys() -> tuple[Panel, ...]:
    key = ("key_name", "key_type")
    return (
        Panel("Keys by status", "As of the last refresh.", _sum("kms_keys", "status", "key_type"),
              Kind.LINES, legend="status"),
        Panel("Expirations", "Keys that expire within 30 days, and those that have expired and are active.",
              f"{_of('kms_key_expiration_timestamp_seconds', *key, take='min')} * 1000",
              Kind.TABLE, "dateTimeFromNow", part=Part.EXPIRY, legend="key_name,key_type"),
        Panel("Use against limits", "Keys from 90 % of their limit on.", _of("kms_key_usage_ratio", *key),
              Kind.TABLE, "percentunit", (0.95, 1), Part.USAGE, "key_name,key_type"),
        Panel("Age of the views", "Time since the last refresh.", _age("kms_view_refresh_timestamp_seconds", "view"),
              Kind.LINES, "s", legend="view"),
    )  # fmt: skip


def _rotations() -> tuple[Panel, ...]:
    return (
        Panel("Open rotations", "Scheduled and running.", _of("kms_rotations_open", "status"), Kind.LINES,
              legend="status"),
        Panel("Ended rotations, 30 days", "As of the last refresh.", _of("kms_rotations_recent", "status"), Kind.LINES,
              legend="status"),
        Panel("Failing rotations", "Failed attempts since the last rotation of the key.",
              _of("kms_key_rotation_failures", "key_name", "key_type"), Kind.TABLE, steps=(1, 3),
              part=Part.ROTATIONS, legend="key_name,key_type"),
        Panel("Time of a rotation", "The longest of the last 30 days.", _of("kms_rotation_duration_maximum_seconds"),
              Kind.LINES, "s"),
        Panel("Expired leases", "Rotations that were left by their workers.", _of("kms_rotation_leases_expired"),
              steps=(1, 5)),
        Panel("Due for rotation", "Keys within the notice of their policy.",
              _sum("kms_keys_rotation_due", "", "key_type, reason")),
    )  # fmt: skip


def _trail(limits: Thresholds) -> tuple[Panel, ...]:
    return (
        Panel("Last seal", "Its age.", _age("kms_audit_seal_timestamp_seconds"), unit="s",
              steps=(limits.unsealed, DAY), part=Part.SEALING),
        Panel("Last publication", "Its age.", _age("kms_audit_publication_timestamp_seconds"), unit="s",
              steps=(limits.unpublished, 2 * limits.unpublished), part=Part.RECORDS),
        Panel("Last validation", "Its age.", _age("kms_validation_timestamp_seconds"), unit="s",
              steps=(limits.validation, 2 * limits.validation), part=Part.RECORDS),
        Panel("Entries past their retention", "How long the oldest one is kept past its retention period.",
              f"clamp_min({_age('kms_audit_retention_end_timestamp_seconds')}, 0)", unit="s", steps=(DAY, 7 * DAY),
              part=Part.LOG),
        Panel("New entries", "Per second.", "max (rate(kms_audit_entries_total{job=~\"$job\"}[15m]))", Kind.LINES),
        Panel("Size of the log", "With its indexes.", _of("kms_audit_log_bytes"), Kind.LINES, "bytes"),
        Panel("Unsealed entries", "Counted up to 100000.", _of("kms_audit_unsealed_entries"), Kind.LINES),
        Panel("Last cosignatures", "Age by witness.", _age("kms_audit_cosignature_timestamp_seconds", "witness"),
              Kind.TABLE, "s", (limits.not_cosigned, 2 * limits.not_cosigned), Part.RECORDS, "witness"),
    )  # fmt: skip


def _machines() -> tuple[Panel, ...]:
    return (
        Panel("HSM health", "Of the last check.", f"{_of('kms_hsm_health', 'hsm', 'status')} == 1", Kind.TABLE,
              part=Part.HSMS, legend="hsm,status"),
        Panel("HSM response time", "Of the last check.", _of("kms_hsm_response_seconds", "hsm"), Kind.LINES, "s",
              legend="hsm"),
        Panel("Slow statements", "With an average time over 50 ms; needs pg_stat_statements.",
              _of("kms_slow_statements"), Kind.LINES),
        Panel("Time of a scrape", "By part.", _of("kms_collector_duration_seconds", "part"), Kind.LINES, "s",
              legend="part"),
    )  # fmt: skip
