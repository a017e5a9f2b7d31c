"""`kms-schema audit append`: append one entry to the audit log."""

import json
from typing import Any, NoReturn

import click

from kms_schema.audit.storage.append import append
from kms_schema.cli.openers import as_trail, opened
from kms_schema.cli.options import Common, style_option, where, with_common
from kms_schema.cli.results import print_result
from kms_schema.text.storable import check_texts
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
    try:
        check_texts(it=document)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return document


@click.command(
    "append",
    epilog="\b\nExamples:\n  kms-schema audit append --event-type BREAK_GLASS --category SECURITY \\"
    "\n    --description 'Root key removed from the safe' --security-level HIGH \\"
    "\n    --user-id alice"
    "\n  kms-schema audit append --event-type EXPORT --category COMPLIANCE \\"
    "\n    --description 'Sent to the auditor' --key-id orders-2026 \\"
    "\n    --metadata '{\"ticket\": 4711}'",
)
@click.option("--event-type", required=True, metavar="TEXT", help="The event, a name of up to 50 characters.")
@click.option(
    "--event-category",
    "--category",
    "event_category",
    required=True,
    type=click.Choice(list(AuditCategory)),
    help="The category of the event; it decides how long the entry is kept.",
)
@click.option(
    "--event-description",
    "--description",
    "event_description",
    required=True,
    metavar="TEXT",
    help="The event in words; write no secret into it.",
)
@click.option(
    "--security-level",
    type=click.Choice(list(AuditSecurityLevel)),
    default=AuditSecurityLevel.LOW,
    show_default=True,
    help="HIGH and CRITICAL events are in the warnings of the key for a day.",
)
@click.option("--risk-score", type=click.IntRange(0, 100), help="The risk of the event, if the application rates it.")
@click.option("--key-id", metavar="KEY", help="The name of a key: key_masters.key_id.")
@click.option("--user-id", metavar="TEXT", help="The acting user, as claimed; the server sets recorded_by.")
@click.option("--session-id", metavar="TEXT", help="The session of the acting user, as claimed.")
@click.option("--client-ip", metavar="TEXT", help="The address of the acting user, as claimed.")
@click.option("--user-agent", metavar="TEXT", help="The program of the acting user, as claimed.")
@click.option("--duration-ms", type=click.IntRange(0, 2**63 - 1), help="The duration of the event in milliseconds.")
@click.option(
    "--compliance-tag",
    "compliance_tags",
    multiple=True,
    metavar="TEXT",
    help="A regulation or control that the event is about. Repeatable.",
)
@click.option(
    "--metadata",
    "additional_metadata",
    callback=_json_object,
    metavar="JSON",
    help="Further details as a JSON object; write no secret into it.",
)
@with_common(where, style_option)
def append_command(*, compliance_tags: tuple[str, ...], common: Common, **values: Any) -> None:
    """Append one entry to the audit log, and print it.

    The database sets id, sequence, timestamp and recorded_by. An entry cannot be changed or removed.
    """
    with opened(as_trail(), common, writing=True) as trail:
        entry = append(trail, compliance_tags=compliance_tags or None, **values)
    lines = (f"{column}: {value}" for column, value in entry.items() if value is not None)
    print_result(common.style, entry, lines)
