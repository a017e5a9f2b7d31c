"""The example for Alertmanager: each notice once, and the most urgent one alone."""

from kms_schema.monitoring.alerting.alerts import Severity
from kms_schema.monitoring.alerting.rules import alerts
from kms_schema.monitoring.alerting.thresholds import Thresholds
from kms_schema.monitoring.alerting.yaml_text import Value, yaml_text

REPEAT = "32d"
"""Longer than a key has notices: the first comes 30 days before it expires."""
RETENTION = "800h"
"""Alertmanager sends again when it has forgotten a notice: keep them longer than `REPEAT`, 768 hours."""
GROUP_BY = ("alertname", "job", "key_id", "key_type", "hsm")
"""No instance: several exporters and several Prometheus servers report one alert."""
RECEIVER = "kms"

_HEAD = f"""\
# Example for Alertmanager. Written by: kms-schema metrics alertmanager
#
# Replace the webhook by your receiver: email_configs, slack_configs, pagerduty_configs and others.
# Start Alertmanager with --data.retention={RETENTION}. With less it forgets what it has sent, and sends it again;
# it warns of that in its log. Each notice of an expiration is sent once: {REPEAT} is longer than it can last.
# Other critical alerts are sent again each day until they end.
"""


def alertmanager_file() -> str:
    """Return the YAML of a configuration of Alertmanager.

    Raises nothing of its own.

    Example:
        Path("alertmanager.yml").write_text(alertmanager_file())
    """
    return _HEAD + yaml_text({
        "route": {
            "receiver": RECEIVER,
            "group_by": GROUP_BY,
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": REPEAT,
            "routes": [{
                "matchers": [f'severity="{Severity.CRITICAL}"', 'alertname!~"KmsKeyExpiresIn.+"'],
                "receiver": RECEIVER,
                "repeat_interval": "1d",
            }],
        },
        "inhibit_rules": [_inhibit(*each) for each in _inhibitions()],
        "receivers": [{
            "name": RECEIVER,
            "webhook_configs": [{"url": "http://127.0.0.1:9099/", "send_resolved": False}],
        }],
    })  # fmt: skip


def _inhibitions() -> list[tuple[str, str, tuple[str, ...]]]:
    """Return pairs of alerts and the labels that both have: while the first one fires, the second is not sent.

    The rules exclude most of these pairs. Of two Prometheus servers one may not have seen yet what the other has.
    """
    key = ("job", "key_id", "key_type")
    notices = [alert.name for alert in alerts(Thresholds()) if alert.name.startswith("KmsKeyExpiresIn")]
    urgent_first = notices[::-1]
    return [
        *((name, "|".join(urgent_first[number:]), key) for number, name in enumerate(urgent_first[:-1], 1)),
        ("KmsKeyAtLimit", "KmsKeyNearLimit", key),
        ("KmsNoSeal", "KmsEntriesUnsealed", ("job",)),
        ("KmsHsmOffline", "KmsHsmDegraded|KmsHsmNotChecked", ("job", "hsm")),
    ]


def _inhibit(source: str, target: str, equal: tuple[str, ...]) -> dict[str, Value]:
    return {
        "source_matchers": [f'alertname="{source}"'],
        "target_matchers": [f'alertname=~"{target}"'],
        "equal": equal,
    }
