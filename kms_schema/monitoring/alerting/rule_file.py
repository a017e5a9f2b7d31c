"""The file of rules for Prometheus. The page "alerts" of the documentation has the causes of each, and what to do.

Recording rules have the last known value of each metric of the alerts, across exporters and their failures.

Several exporters of one database give one value: labels of the exporter are dropped, `job` stays. While a part fails in
all of them, or all are gone, the last value stays, so that no alert ends because its metric is missing. A rule that
reads its own series does that without a long range; an hour of it survives a restart of Prometheus. A series that was
absent when the part was last read stays absent: an alert that has ended does not come back when the database fails.

Of a time its age is recorded: an age does not grow while it is unknown, so one missing exporter is one alert. An
expiration stays a time, since a key expires even if its exporter is gone; so does a time that tells events apart.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict

from kms_schema.monitoring.alerting.templates import template
from kms_schema.monitoring.alerting.thresholds import DAY, Thresholds
from kms_schema.monitoring.names import BY_NAME, METRICS
from kms_schema.text.durations import duration_of

PAGE = "alerts.html"
_ALERT = re.compile(r"      - alert: (\w+)\n(?:        .*\n)+")
_KEY = "{{ with $labels.key_name }}Key {{ . }}{{ else }}A {{ $labels.key_type }} key{{ end }}"
"""The beginning of a sentence about one key; names may be left out by the exporter."""
_LAST_KNOWN = """\
      - record: %(last)s
        expr: |-
          %(value)s by (%(labels)s) (%(name)s)
            or last_over_time(%(last)s[1h])
              and (timestamp(%(last)s) or max_over_time(timestamp(%(last)s)[1h:1m]))
                >= on (job) group_left () job:kms_collector_success_timestamp_seconds:max{part="%(part)s"}
"""
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


def rule_file(limits: Thresholds | None = None, docs_url: str = "") -> str:
    """Return the YAML of the recording and alerting rules.

    Args:
        limits: the thresholds; without them those of `Thresholds()`.
        docs_url: the address of a copy of the documentation, for `runbook_url`; without it no alert has that.

    Raises nothing of its own.

    Example:
        Path("kms.rules.yml").write_text(rule_file(docs_url="https://docs.example/kms"))
    """
    rules = template("rules.yml")
    used = set(re.findall(r"job:kms_\w+:last", rules))
    recorded = [metric.name for metric in METRICS if last_known(metric.name) in used]
    text = rules % (_values(limits or Thresholds()) | {"key": _KEY, "last_known": _last_known_rules(recorded)})
    if not docs_url:
        return text
    section = f"{docs_url.rstrip('/')}/{PAGE}"
    return _ALERT.sub(lambda rule: f'{rule[0]}          runbook_url: "{section}#{rule[1].lower()}"\n', text)


def last_known(metric: str) -> str:
    """Return the name of the series with the last known value of a metric, or with its age in seconds.

    Raises `KeyError` for an unknown metric.
    """
    name = BY_NAME[metric].name
    return f"job:{name.replace(_TIME, '_age_seconds') if _is_age(name) else name}:last"


def _is_age(name: str) -> bool:
    return name.endswith(_TIME) and name not in _AS_TIMES


def _last_known_rules(metrics: Iterable[str]) -> str:
    return "".join(
        _LAST_KNOWN
        % {
            "name": name,
            "last": last_known(name),
            "value": f"{'time() - ' if _is_age(name) else ''}{'min' if name in _EARLIEST else 'max'}",
            "labels": ", ".join(("job", *BY_NAME[name].labels)),
            "part": BY_NAME[name].part,
        }
        for name in metrics
    )


def _values(limits: Thresholds) -> dict[str, object]:
    """Return what stands for the names in the file: each threshold, and as `for` of an alert with `_for`."""
    values: dict[str, object] = asdict(limits)
    values |= {f"{name}_for": duration_of(value) for name, value in values.items() if isinstance(value, int)}
    for place, days in zip(("first", "second", "third"), limits.expires_within_days, strict=True):
        values[f"{place}_days"] = f"{days}Day{'s' if days > 1 else ''}"
        values[f"{place}_notice"] = days * DAY
    return values
