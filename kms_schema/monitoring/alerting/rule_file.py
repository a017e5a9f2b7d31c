"""The file of rules for Prometheus."""

import re

from kms_schema.monitoring.alerting.alerts import Alert
from kms_schema.monitoring.alerting.last_known import last_known, last_known_rules
from kms_schema.monitoring.alerting.rules import alerts
from kms_schema.monitoring.alerting.thresholds import Thresholds
from kms_schema.monitoring.alerting.yaml_text import Value, yaml_text
from kms_schema.monitoring.names import METRICS
from kms_schema.text.durations import duration_of

PAGE = "alerts.html"
"""The page of the documentation with a section for each alert."""

_HEAD = """\
# Alerting rules of kms-schema for Prometheus: name this file under rule_files in prometheus.yml.
# Written by: kms-schema metrics rules --docs-url URL, which gives each alert its runbook_url; without it, none has one.
"""


def rule_file(limits: Thresholds | None = None, docs_url: str = "") -> str:
    """Return the YAML of the recording and alerting rules.

    Args:
        limits: the thresholds; without them those of `Thresholds()`.
        docs_url: the address of a copy of the documentation, for `runbook_url`; without it no alert has that.

    Raises nothing of its own.

    Example:
        Path("kms.rules.yml").write_text(rule_file(docs_url="https://docs.example/kms"))
    """
    limits = limits or Thresholds()
    all_alerts = alerts(limits)
    return _HEAD + yaml_text({"groups": [
        {"name": "kms_last_known", "interval": "1m", "rules": [*last_known_rules(metrics_of(all_alerts), limits)]},
        {"name": "kms_soon", "interval": "1m", "rules": [_rule(each, docs_url) for each in all_alerts if each.soon]},
        {"name": "kms_slow", "interval": "5m",
         "rules": [_rule(each, docs_url) for each in all_alerts if not each.soon]},
    ]})  # fmt: skip


def metrics_of(all_alerts: tuple[Alert, ...]) -> list[str]:
    """Return the metrics whose last known values the alerts use, in the order of the documentation."""
    used = {name for alert in all_alerts for name in re.findall(r"job:kms_\w+:last", alert.expr)}
    return [metric.name for metric in METRICS if last_known(metric.name) in used]


def _rule(alert: Alert, docs_url: str) -> dict[str, Value]:
    section = f"{docs_url.rstrip('/')}/{PAGE}#{alert.name.lower()}"
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **({"for": duration_of(alert.hold)} if alert.hold else {}),
        "labels": {"severity": str(alert.severity)},
        "annotations": {"summary": alert.summary, **({"runbook_url": section} if docs_url else {})},
    }
