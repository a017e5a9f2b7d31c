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
        raise click.BadParameter("""give a JSON object, such as '{"ticket": 4711}'""")
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
@click.option(
    "--event-type", required=True, metavar="TEXT", help="The type of the event: a name of at most 50 characters."
)
@click.option(
    "--event-category", "--category", "event_category", required=True, type=click.Choice(list(AuditCategory)),
    help="The category of the event, which decides how long the entry is retained.",
)  # fmt: skip
@click.option(
    "--event-description", "--description", "event_description", required=True, metavar="TEXT",
    help="The description of the event; write no secret into it.",
)  # fmt: skip
@click.option(
    "--security-level", type=click.Choice(list(AuditSecurityLevel)), default=AuditSecurityLevel.LOW, show_default=True,
    help="The severity of the event; HIGH and CRITICAL are in the warnings of the key for a day.",
)  # fmt: skip
@click.option(
    "--risk-score", type=click.IntRange(0, 100), help="The risk of the event, if the application assesses it."
)
@click.option("--key-id", metavar="KEY", help="The name of the key that the event is about.")
@click.option(
    "--user-id", metavar="TEXT", help="The user who acted, as the caller claims; the database sets recorded_by itself."
)
@click.option("--session-id", metavar="TEXT", help="The session of this user, as the caller claims.")
@click.option("--client-ip", metavar="TEXT", help="The IP address of this user, as the caller claims.")
@click.option("--user-agent", metavar="TEXT", help="The program of this user, as the caller claims.")
@click.option("--duration-ms", type=click.IntRange(0, 2**63 - 1), help="The duration of the event in milliseconds.")
@click.option(
    "--compliance-tag", "compliance_tags", multiple=True, metavar="TEXT",
    help="A regulation or control to which the event relates. Repeatable.",
)  # fmt: skip
@click.option(
    "--metadata", "additional_metadata", callback=_json_object, metavar="JSON",
    help="More details of the event as a JSON object; write no secret into it.",
)  # fmt: skip
@with_common(where, style_option)
def append_command(*, compliance_tags: tuple[str, ...], common: Common, **values: Any) -> None:
    """Append one entry to the audit log, and print it.

    The database sets id, sequence, timestamp and recorded_by. An entry cannot be changed or removed.
    """
    with opened(as_trail(), common, writing=True) as trail:
        entry = append(trail, compliance_tags=compliance_tags or None, **values)
    lines = (f"{column}: {value}" for column, value in entry.items() if value is not None)
    print_result(common.style, entry, lines)
