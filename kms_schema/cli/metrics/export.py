"""`kms-schema metrics export`: serve the metrics over HTTP, or write them to a file."""

import click

from kms_schema.cli.options import where


@click.command("export")
@where
def export_command(database_url: str | None, schema: str) -> None:
    """Serve the metrics over HTTP, or write them to a file."""
    del database_url, schema
