"""`kms-schema metrics rules`, `alertmanager` and `dashboard`: the files for Prometheus, Alertmanager and Grafana."""

import click

from kms_schema.monitoring.alerting import alertmanager, dashboard, rule_file
from kms_schema.validator.formats import layout


@click.command(
    "rules",
    epilog="\b\nExample:\n  kms-schema metrics rules > /etc/prometheus/kms.rules.yml"
    "\n  promtool check rules /etc/prometheus/kms.rules.yml",
)
@click.option(
    "--docs-url", envvar="KMS_DOCS_URL", default="", metavar="URL",
    help="The address of a copy of the documentation, to which `runbook_url` of each alert links; default: no links.",
)  # fmt: skip
def rules_command(docs_url: str) -> None:
    """Print the alerting rules for Prometheus, as YAML.

    Each database has one job in the configuration of Prometheus, and any number of exporters.
    """
    try:
        address = layout.Layout(docs_url=docs_url).docs_url
    except ValueError as error:
        raise click.UsageError(f"--docs-url: {error}") from None
    click.echo(rule_file.rule_file(docs_url=address), nl=False)


@click.command("alertmanager", epilog="\b\nExample:\n  kms-schema metrics alertmanager > alertmanager.yml")
def alertmanager_command() -> None:
    """Print an example configuration of Alertmanager, as YAML.

    The notices 30, 7 and 1 day before an expiration follow one another, and each is sent once.
    """
    click.echo(alertmanager.alertmanager_file(), nl=False)


@click.command("dashboard", epilog="\b\nExample:\n  kms-schema metrics dashboard > kms.json")
def dashboard_command() -> None:
    """Print a dashboard for Grafana, as JSON: import the file in Grafana 10 or later."""
    click.echo(dashboard.dashboard(), nl=False)
