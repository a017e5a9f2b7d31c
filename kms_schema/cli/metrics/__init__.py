"""`kms-schema metrics`: metrics for Prometheus."""

import click

from kms_schema.cli.lazy_group import Lazy, LazyGroup

IN_PROGRAM = {
    "check": Lazy("kms_schema.cli.metrics.check:check_command", "Check the state for Nagios or Icinga"),
    "metrics": Lazy("kms_schema.cli.metrics:metrics", "Export metrics to Prometheus"),
}
_COMMANDS = {
    "alertmanager": Lazy(
        "kms_schema.cli.metrics.alerting:alertmanager_command", "Print a configuration of Alertmanager"
    ),
    "dashboard": Lazy("kms_schema.cli.metrics.alerting:dashboard_command", "Print a dashboard for Grafana"),
    "export": Lazy("kms_schema.cli.metrics.export:export_command", "Serve the metrics, or write them to a file"),
    "rules": Lazy("kms_schema.cli.metrics.alerting:rules_command", "Print the alerting rules for Prometheus"),
}


class _ExportByDefault(LazyGroup):
    """A group whose options without a command are those of `export`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `export` before options."""
        if args and args[0].startswith("-") and args[0] not in self.get_help_option_names(ctx):
            args = ["export", *args]
        return super().parse_args(ctx, args)


@click.group("metrics", cls=_ExportByDefault, lazy=_COMMANDS, words=["metrics"])
def metrics() -> None:
    """Export the state of the keys to Prometheus.

    `kms-schema metrics --listen :19187` is `kms-schema metrics export --listen :19187`. The role needs the privileges
    of kms_auditor. Nothing is written to the database.
    """
