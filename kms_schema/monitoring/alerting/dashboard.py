"""The dashboard for Grafana, as JSON: the metrics as they are now, so that a failed part shows as unknown."""

from kms_schema.monitoring.alerting.templates import template


def dashboard() -> str:
    """Return the JSON of the dashboard, for *Import dashboard* in Grafana or a folder that it is provisioned from.

    Raises nothing of its own.

    Example:
        Path("/var/lib/grafana/dashboards/kms.json").write_text(dashboard())
    """
    return template("dashboard.json")
