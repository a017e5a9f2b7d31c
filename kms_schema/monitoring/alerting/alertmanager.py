"""The example for Alertmanager: each notice once."""

from kms_schema.monitoring.alerting.templates import template


def alertmanager_file() -> str:
    """Return the YAML of a configuration of Alertmanager.

    Raises nothing of its own.

    Example:
        Path("alertmanager.yml").write_text(alertmanager_file())
    """
    return template("alertmanager.yml")
