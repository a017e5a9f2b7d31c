"""Recording rules: the last known value of each metric of the alerts, across exporters and their failures.

Several exporters of one database give one value: labels of the exporter are dropped, `job` stays. While a part fails in
all of them, or all are gone, the last value stays, so that no alert ends because its metric is missing. A rule that
reads its own series does that without a long range; an hour of it survives a restart of Prometheus. A series that was
absent when the part was last read stays absent: an alert that has ended does not come back when the database fails.

Of a time its age is recorded: an age does not grow while it is unknown, so one missing exporter is one alert. An
expiration stays a time, since a key expires even if its exporter is gone; so does a time that tells events apart.
"""

from collections.abc import Iterable

from kms_schema.monitoring.alerting.thresholds import Thresholds
from kms_schema.monitoring.names import BY_NAME, COLLECTOR_SUCCESS

SUCCEEDS = f"job:{COLLECTOR_SUCCESS}:max"
"""1 for a part that at least one exporter has read."""
SUCCEEDED = "job:kms_collector_success_timestamp_seconds:max"
"""The last evaluation at which an exporter had read the part: the time of the values that it recorded."""

_EARLIEST = {
    "kms_key_expiration_timestamp_seconds",
    "kms_rotation_lease_expiration_timestamp_seconds",
    "kms_rotation_scheduled_oldest_timestamp_seconds",
    "kms_audit_unsealed_oldest_timestamp_seconds",
    "kms_audit_retention_end_timestamp_seconds",
}
"""Metrics of which the smallest value of several exporters counts; of others it is the greatest."""


_TIME = "_timestamp_seconds"
_AS_TIMES = {
    "kms_key_expiration_timestamp_seconds",
    "kms_audit_high_risk_timestamp_seconds",
    "kms_anomaly_timestamp_seconds",
}


def last_known(metric: str) -> str:
    """Return the name of the series with the last known value of a metric, or with its age in seconds.

    Raises `KeyError` for an unknown metric.
    """
    name = BY_NAME[metric].name
    return f"job:{name.replace(_TIME, '_age_seconds') if _is_age(name) else name}:last"


def _is_age(name: str) -> bool:
    return name.endswith(_TIME) and name not in _AS_TIMES


def last_known_rules(metrics: Iterable[str], limits: Thresholds) -> list[dict[str, str]]:
    """Return the recording rules of the metrics, after those of the parts that they need."""
    return [
        {"record": SUCCEEDS, "expr": f"max by (job, part) ({COLLECTOR_SUCCESS})"},
        {
            "record": SUCCEEDED,
            "expr": f"max by (job, part) (\n"
            f"  0 * ({SUCCEEDS} == 1) + time()\n"
            f"    or last_over_time({SUCCEEDED}[1h]) > time() - {limits.remembered}\n"
            f")",
        },
        *({"record": last_known(each), "expr": _last_known(each)} for each in metrics),
    ]


def _last_known(name: str) -> str:
    metric = BY_NAME[name]
    labels = ", ".join(("job", *metric.labels))
    last = last_known(name)
    return (
        f"{'time() - ' if _is_age(name) else ''}{'min' if name in _EARLIEST else 'max'} by ({labels}) ({name})\n"
        f"  or last_over_time({last}[1h])\n"
        f"    and (timestamp({last}) or max_over_time(timestamp({last})[1h:1m]))\n"
        f'      >= on (job) group_left () {SUCCEEDED}{{part="{metric.part}"}}'
    )
