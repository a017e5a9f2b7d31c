"""The example for Alertmanager: each notice once."""

from kms_schema.monitoring.alerting.alerts import Severity
from kms_schema.monitoring.alerting.yaml_text import yaml_text

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
        # No inhibition: the rules of alerts exclude each other. Alertmanager does not record the end of an inhibited
        # alert, and would not send it when it fires again.
        "receivers": [{
            "name": RECEIVER,
            "webhook_configs": [{"url": "http://127.0.0.1:9099/", "send_resolved": False}],
        }],
    })  # fmt: skip
