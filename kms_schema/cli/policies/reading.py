"""`kms-schema policies list` and `show`, and policies as all these commands name and print them."""

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import click

from kms_schema.cli import messages
from kms_schema.cli.openers import as_session, opened
from kms_schema.cli.options import Common, Decorator, name_of, style_option, where, with_common
from kms_schema.cli.results import print_json, print_row
from kms_schema.reading.times import time_to_text
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    from kms_schema.models import RotationPolicy

COLUMNS = {
    "interval_days": "rotation_interval_days",
    "max_age_days": "max_key_age_days",
    "max_uses": "max_operations",
    "max_volume_mb": "max_data_volume_mb",
    "on_incident": "rotate_on_security_incident",
    "on_compliance": "rotate_on_compliance_requirement",
    "timezone": "timezone",
    "notify_hours": "notify_before_rotation_hours",
    "channels": "notification_channels",
}
"""The columns of the options; `window` has two."""
_WORDS = {column: option.replace("_", "-") for option, column in COLUMNS.items()} | {
    "policy_name": "name", "key_type": "type", "rotation_window_start": "window",
}  # fmt: skip
"""The words of the options for columns."""
name_argument: Decorator = click.argument("policy_name", metavar="NAME", callback=name_of("a policy", 100))
"""The name of a policy."""
_NAME = 20
"""The width of names in the table."""
_LINE = "{:<6} {:<8} {:>6} {:>6} {:>16} {:>10}"


@click.command("list", epilog="\b\nExample:\n  kms-schema policies list --format json")
@with_common(where, style_option)
def list_command(common: Common) -> None:
    """List the policies by their names, with their limits: days between rotations, days of age, uses, megabytes.

    Exit status: 0 done, 2 usage, 3 no connection or missing privilege.
    """
    from kms_schema.rotations import policies

    with opened(as_session(), common) as session:
        found = policies.list_policies(session)
        if not found:
            messages.note("no policies; kms-schema policies create adds one")
        if common.style == "json":
            print_json([document_of(each) for each in found])
            return
        print_row("POLICY", _NAME, _LINE.format("TYPE", "STATUS", "DAYS", "AGE", "USES", "MB"))
        for each in found:
            _print_line(each)


def _print_line(policy: "RotationPolicy") -> None:
    limits = (
        policy.rotation_interval_days, policy.max_key_age_days, policy.max_operations, policy.max_data_volume_mb
    )  # fmt: skip
    status = "active" if policy.is_active else "disabled"
    columns = _LINE.format(policy.key_type, status, *("-" if each is None else each for each in limits))
    print_row(policy.policy_name, _NAME, columns)


@click.command("show", epilog="\b\nExample:\n  kms-schema policies show 'data keys quarterly'")
@name_argument
@with_common(where, style_option)
def show_command(*, policy_name: str, common: Common) -> None:
    """Show the limits, the window and the status of the policy NAME.

    Exit status: 0 done, 1 no such policy, 2 usage, 3 no connection or missing privilege.
    """
    from kms_schema.rotations import policies

    with opened(as_session(), common) as session:
        document = document_of(policies.find_policy(session, policy_name))
    print_policy(document, common.style)


def document_of(policy: "RotationPolicy") -> dict[str, Any]:
    """Return the columns of a policy for JSON."""
    return {column.key: _spelled(getattr(policy, column.key)) for column in policy.__table__.columns}


def print_policy(document: dict[str, Any], style: str) -> None:
    """Print a policy: a value a line in the words of the options, without empty ones; or the columns as JSON."""
    if style == "json":
        print_json(document)
        return
    status = "active" if document["is_active"] else "disabled"
    for name, value in document.items():
        if value is None or name in ("id", "rotation_window_end"):
            continue
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if name == "rotation_window_start":
            shown = f"{value}-{document['rotation_window_end']}"
        line = f"status: {status}" if name == "is_active" else f"{_WORDS.get(name, name)}: {shown}"
        click.echo(in_a_line(line))


def _spelled(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return time_to_text(value)
    return value if isinstance(value, int | str | list | dict) or value is None else str(value)
