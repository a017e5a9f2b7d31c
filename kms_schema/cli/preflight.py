"""`kms-schema preflight`: check an upgrade before it runs."""

from typing import Any

import click

from kms_schema.cli.connections import url_of
from kms_schema.cli.migrations import errors_reported, revisions_begun
from kms_schema.cli.options import patience, style_option, version_table_option, where


@click.command(
    "preflight",
    epilog="\b\nExamples:\n  kms-schema preflight\n  kms-schema preflight 005 --format json"
    "\n  kms-schema preflight && kms-schema upgrade",
)
@click.argument("revision", default="head", shell_complete=revisions_begun)
@where
@version_table_option
@patience
@style_option
def preflight_command(revision: str, database_url: str | None, style: str, **options: Any) -> int:
    """Show what an upgrade to REVISION would run, and what prevents it.

    It shows the locks of each table and their approximate duration, rows that violate a new constraint, missing
    privileges, and space on disk. It changes nothing. Exit status: 0 go, 1 no go, 2 usage, 3 no connection.
    """
    from kms_schema import preflight
    from kms_schema.migrate import options as migration_options
    from kms_schema.preflight import report

    with errors_reported():
        verdict = preflight.preflight(url_of(database_url), revision, migration_options.MigrationOptions(**options))
    click.echo(report.as_json(verdict) if style == "json" else report.as_text(verdict))
    return 0 if verdict.go else 1
