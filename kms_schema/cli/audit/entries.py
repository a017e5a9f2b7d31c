"""`kms-schema audit append`: one entry from the shell."""

import json
from typing import Any, NoReturn

import click

from kms_schema.audit.storage.appended_entry import append
from kms_schema.cli.audit.opening import opened, print_lines, style_option, where
from kms_schema.printable import in_a_line
from kms_schema.vocabulary import AuditCategory, AuditSecurityLevel


def _json_object(_context: click.Context, _parameter: click.Parameter, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None

    def no_number(_text: str) -> NoReturn:
        raise ValueError

    try:
        document = json.loads(text, parse_constant=no_number)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise click.BadParameter("""a JSON object, such as '{"ticket": 4711}'""")
    return document


@click.command(
    "append",
    epilog="\b\nExamples:\n  kms-schema audit append --event-type BREAK_GLASS --category SECURITY \\"
    "\n    --description 'Root key taken out of the safe' --security-level HIGH --user-id alice"
    "\n  kms-schema audit append --event-type EXPORT --category COMPLIANCE --description 'Sent to the auditor' \\"
    "\n    --key-id orders-2026 --metadata '{\"ticket\": 4711}'",
)
@click.option("--event-type", required=True, metavar="TEXT", help="What happened, in up to 50 characters.")
@click.option("--event-category", "--category", "event_category", required=True, type=click.Choice(list(AuditCategory)))
@click.option("--event-description", "--description", "event_description", required=True, metavar="TEXT")
@click.option(
    "--security-level", type=click.Choice(list(AuditSecurityLevel)), default=AuditSecurityLevel.LOW, show_default=True
)
@click.option("--risk-score", type=click.IntRange(0, 100))
@click.option("--key-id", metavar="KEY", help="The key it is about, by its name: key_masters.key_id.")
@click.option("--user-id", metavar="TEXT", help="Who did it: a claim. The server sets recorded_by.")
@click.option("--session-id", metavar="TEXT")
@click.option("--client-ip", metavar="TEXT")
@click.option("--user-agent", metavar="TEXT")
@click.option("--duration-ms", type=click.IntRange(0, 2**63 - 1))
@click.option("--compliance-tag", "compliance_tags", multiple=True, metavar="TEXT", help="May be given several times.")
@click.option("--metadata", "additional_metadata", callback=_json_object, metavar="JSON", help="An object.")
@where
@style_option
def append_command(
    database_url: str | None, schema: str, style: str, compliance_tags: tuple[str, ...], **values: Any
) -> None:
    """Write one entry into the audit trail, and print it.

    The database sets id, sequence, timestamp and recorded_by. What is written stays: there is no undoing.
    """
    with opened(database_url, schema, writing=True) as trail:
        entry = append(trail, compliance_tags=compliance_tags or None, **values)
    if style == "json":
        click.echo(json.dumps(entry, indent=2))
    else:
        for column, value in entry.items():
            if value is not None:
                print_lines(in_a_line(f"{column}: {value}"))
